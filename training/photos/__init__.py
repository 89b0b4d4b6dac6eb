"""Photos: what is trained on, how it is split and changed."""
