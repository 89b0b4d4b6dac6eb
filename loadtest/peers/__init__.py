"""Others who serve the same file, each in its own documented way: programs that take ``MODEL``, ``PORT``."""
