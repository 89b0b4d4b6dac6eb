"""Forms: every way in which people send photos and parameters → one reading of it."""
