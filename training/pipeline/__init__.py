"""Pipeline: from a recipe and photos to a measured file."""
