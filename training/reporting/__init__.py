"""Reporting: what was measured, for people."""
