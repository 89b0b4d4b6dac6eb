"""Graph: from Keras to ONNX, and what is done to the ONNX graph."""
