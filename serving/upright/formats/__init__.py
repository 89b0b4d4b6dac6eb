"""Formats: where each kind of file keeps its orientation, and how its pixels are turned."""
