"""Observability: logs, metrics and traces of what is asked and answered."""
