"""Photos → Keras networks → measured, published ONNX files."""
