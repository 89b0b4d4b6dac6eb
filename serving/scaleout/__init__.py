"""Loupe on engines for many machines."""
