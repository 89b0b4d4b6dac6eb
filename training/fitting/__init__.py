"""Fitting: from a recipe to weights."""
