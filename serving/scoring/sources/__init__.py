"""Where pictures come from: folders, archives, tables and stores of objects; each of them one at a time."""

from serving.scoring.sources.source import Source

__all__ = ["Source"]
