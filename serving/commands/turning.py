"""Turning: one photo of an album, from the file to what became of it."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.errors import ImageTooLargeError, LoupeError, UnsupportedImageError
from models.metadata import ModelMetadata
from serving.album.album import Album
from serving.album.memory import Judgement, Known
from serving.commands.common import reason
from serving.commands.outcome import Action, Outcome
from serving.commands.pipeline import read_photo
from serving.commands.walking import Photo
from serving.settings import Settings
from serving.upright.straightening import Straightener, Upright
from serving.upright.tasks import Method

_WRITABLE = 0o222
_LINKED = "it has {} names (hard links); --split-hard-links turns it under this one alone"


@dataclass(frozen=True)
class Turning:
    """How photos are turned.

    Attributes:
        method: see ``Straightener``.
        min_probability: likewise.
        apply: whether files are written.
        again: whether photos that were put back are judged again.
        split_links: whether a file of several names is turned under the one that was found.
    """

    method: Method
    min_probability: float | None
    apply: bool
    again: bool = False
    split_links: bool = False

    def judge(self, metadata: ModelMetadata) -> str:
        """Who judges, by which bar: another one's judgements of photos that stay as they are do not count."""
        return f"{metadata.name} {metadata.version} {metadata.graph_sha256} {self.method} {self.min_probability}"


class Turner:
    """Turns photos of several trees."""

    def __init__(
        self, turning: Turning, straightener: Straightener, settings: Settings, albums: Mapping[Path, Album]
    ) -> None:
        self._turning = turning
        self._straightener = straightener
        self._settings = settings
        self._albums = albums

    async def turn(self, photo: Photo) -> Outcome:
        """Judges one photo unless it is known, and turns it if that is certain and wanted."""
        try:
            facts = photo.real.stat()
            album = self._albums[photo.tree]
            known = album.recall(photo.real, facts)
            if known is not None and not (known.state == "undone" and self._turning.again):
                return _remembered(photo.path, known)
            return await self._judge(photo, facts, album)
        except ImageTooLargeError as error:
            return Outcome(photo.path, "skipped", reason=reason(error))
        except UnsupportedImageError as error:
            return Outcome(photo.path, "failed" if photo.named else "skipped", reason=str(error))
        except (LoupeError, OSError) as error:
            return Outcome(photo.path, "failed", reason=reason(error))

    async def _judge(self, photo: Photo, facts: os.stat_result, album: Album) -> Outcome:
        data = await asyncio.to_thread(read_photo, photo.real, self._settings)
        upright = await self._straightener.straighten(
            data, self._turning.method, min_probability=self._turning.min_probability
        )
        said = Judgement(upright.label, upright.probability, upright.certain, upright.proposed_clockwise)
        if upright.done != "none":
            return await self._replace(photo, facts, album, data, upright)
        if self._turning.apply:
            album.note_judged(photo.real, facts, said)
        return _told(photo.path, said)

    async def _replace(
        self, photo: Photo, facts: os.stat_result, album: Album, data: bytes, upright: Upright
    ) -> Outcome:
        if not facts.st_mode & _WRITABLE:
            return Outcome(photo.path, "skipped", reason="it is write-protected")
        if facts.st_nlink > 1 and not self._turning.split_links:
            return Outcome(photo.path, "skipped", reason=_LINKED.format(facts.st_nlink))
        said = Judgement(upright.label, upright.probability, upright.certain, upright.proposed_clockwise)
        if self._turning.apply:
            now = await asyncio.to_thread(album.replace, photo.real, facts, data, upright.data)
            album.note_turned(photo.real, now, said)
        action: Action = "turned" if self._turning.apply else "would_turn"
        turn, probability = upright.rotated_clockwise, upright.probability
        return Outcome(photo.path, action, turn, upright.label, probability, upright.certain, upright.done)


def _remembered(path: Path, known: Known) -> Outcome:
    if known.state == "undone":
        return Outcome(path, "undone", reason=f"put back on {known.since}; --again proposes it")
    if known.judgement is None:
        return Outcome(path, "left_alone", reason="a person has changed it since it was turned")
    return Outcome(path, "upright") if known.state == "turned" else _told(path, known.judgement)


def _told(path: Path, said: Judgement) -> Outcome:
    action: Action = "upright" if said.certain else "uncertain"
    return Outcome(path, action, said.clockwise, said.label, said.probability, said.certain)
