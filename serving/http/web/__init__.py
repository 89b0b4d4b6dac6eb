"""The page for people: its files, by the path at which they are served; there is no build step."""

from pathlib import Path

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOLDER = Path(__file__).parent

PAGE = "/"
FILES = {
    PAGE if path.name == "index.html" else f"/web/{path.name}": (path, _TYPES[path.suffix])
    for path in sorted(_FOLDER.iterdir())
    if path.suffix in _TYPES
}
"""Path → file and media type; nothing else in the folder can be asked for."""
