"""Access: who may make which calls, and where the service listens; for HTTP and gRPC."""
