"""The talks' worked examples, from a straight line to the inside of a photo classifier. Nothing imports them."""
