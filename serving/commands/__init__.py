"""The commands that ask models about files; ``cli.py`` names them."""
