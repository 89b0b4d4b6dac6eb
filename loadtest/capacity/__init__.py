"""How many replicas it takes, at what cost, and whether that model is right: ``python -m loadtest.capacity``."""
