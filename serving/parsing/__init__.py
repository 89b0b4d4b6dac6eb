"""Parsing: what strangers write → values, bounded before any is made; it knows no protocol."""
