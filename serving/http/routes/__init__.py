"""HTTP: one module for each protocol."""
