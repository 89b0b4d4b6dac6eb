"""Versions: which versions of which models are served, and how that changes."""
