"""Measuring: how right, how sure and how fast a model is."""
