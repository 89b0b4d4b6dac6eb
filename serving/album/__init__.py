"""Folders of photos that are changed file by file, so that nothing is lost and everything can be undone."""
