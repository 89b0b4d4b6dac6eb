"""Photo files, turned upright: bytes in, bytes out. Knows neither HTTP nor models."""
