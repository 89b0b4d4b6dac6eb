"""Engine: pictures and models, and the threads that bring them together."""
