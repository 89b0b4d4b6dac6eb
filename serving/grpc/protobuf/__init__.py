"""Messages of the gRPC form; ``make proto`` generates all but the .proto file."""
