"""The Open Inference Protocol, version 2: what HTTP and gRPC share."""
