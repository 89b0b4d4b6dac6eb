"""The service: loads published models with ONNX Runtime and answers over HTTP and on the command line."""
