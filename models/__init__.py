"""What a model is, and the trained ones: metadata, decoding, preprocessing and the repository on disk."""
