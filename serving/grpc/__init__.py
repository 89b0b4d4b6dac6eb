"""Open Inference over gRPC."""
