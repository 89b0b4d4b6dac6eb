"""Shipping: from a graph to a published model."""
