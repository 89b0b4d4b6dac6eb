"""Loupe for programs that ask it: ``from loupe.client import Client``. It knows HTTP, and none of the other rooms."""
