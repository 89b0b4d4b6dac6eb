"""Turning: one photo of an album, from the file to what became of it."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from models.errors import ImageTooLargeError, LoupeError, NotOursError, UnsupportedImageError
from models.metadata import ModelMetadata
from serving.album.album import Album
from serving.album.memory import Judgement, Known
from serving.album.replacing import refuse_others
from serving.commands.companions import Companions
from serving.commands.exclusions import Exclusions
from serving.commands.outcome import Action, Outcome
from serving.commands.sidecars import packet_of, sidecar_of, told_in, turned_packet
from serving.scoring.reading import read_photo
from serving.scoring.score import reason
from serving.scoring.walking import TURNED, Photo
from serving.settings import Settings
from serving.upright.photo_file import PhotoFile
from serving.upright.straightening import Straightener, Upright
from serving.upright.tasks import Method

_WRITABLE = 0o222
_LINKED = "{} has {} names (hard links); --split-hard-links turns it under this one alone"
_CONTAINERS = frozenset({".heic", ".heif", ".hif", ".avif"})  # which say themselves how they are turned


@dataclass(frozen=True)
class Turning:
    """How photos are turned.

    Attributes:
        method: see ``Straightener``.
        min_probability: likewise.
        apply: whether files are written.
        again: whether photos that were put back are judged again.
        split_links: whether a file of several names is turned under the one that was found.
        apart: whether one of several files that are one photo is turned without the others.
        sidecars: whether XMP files beside the photos are written in their place.
        excluded: photos that are to stay as they are.
    """

    method: Method
    min_probability: float | None
    apply: bool
    again: bool = False
    split_links: bool = False
    apart: bool = False
    sidecars: bool = False
    excluded: Exclusions = field(default_factory=Exclusions)

    def judge(self, metadata: ModelMetadata) -> str:
        """Who judges, by which bar: another one's judgements of photos that stay as they are do not count."""
        return f"{metadata.name} {metadata.version} {metadata.graph_sha256} {self.method} {self.min_probability}"


class Proposal(NamedTuple):
    """A photo that is to be turned.

    Attributes:
        seen: the file as it was judged: as its sidecar says, if that says anything.
        sidecar: the XMP file beside it, and what that says.
    """

    photo: Photo
    facts: os.stat_result
    data: bytes
    seen: bytes
    upright: Upright
    sidecar: Path | None
    told: int | None

    def outcome(self, action: Action, method: str) -> Outcome:
        """What became of it."""
        one = self.upright
        return Outcome(self.photo.path, action, one.rotated_clockwise, one.label, one.probability, one.certain, method)


class Turner:
    """Turns photos of several trees."""

    def __init__(
        self, turning: Turning, straightener: Straightener, settings: Settings, albums: Mapping[Path, Album]
    ) -> None:
        self._turning = turning
        self._straightener = straightener
        self._settings = settings
        self._albums = albums
        self._companions = Companions()

    async def turn(self, photo: Photo) -> tuple[Outcome, Proposal | None]:
        """Judges one photo unless it is known, and turns it if that is certain and wanted.

        Returns:
            What became of it, and, of one that would be turned, the proposal.
        """
        found = await self._judged(photo)
        if isinstance(found, Outcome):
            return found, None
        try:
            if why := self._hindrance(found) or await self._stays_with(photo):
                return Outcome(photo.path, "skipped", reason=why), None
            return await self._turned(found), found
        except NotOursError as error:
            return Outcome(photo.path, "skipped", reason=str(error)), None
        except (LoupeError, OSError) as error:
            return Outcome(photo.path, "failed", reason=reason(error)), None

    async def _judged(self, photo: Photo) -> Outcome | Proposal:
        try:
            return await self._judge(photo)
        except ImageTooLargeError as error:
            return Outcome(photo.path, "skipped", reason=reason(error))
        except UnsupportedImageError as error:
            return Outcome(photo.path, "failed" if photo.named else "skipped", reason=str(error))
        except (LoupeError, OSError) as error:
            return Outcome(photo.path, "failed", reason=reason(error))

    async def _judge(self, photo: Photo) -> Outcome | Proposal:
        if self._turning.excluded.hold(photo.real):
            return Outcome(photo.path, "skipped", reason="--exclude names it")
        facts, album = photo.real.stat(), self._albums[photo.tree]
        sidecar = sidecar_of(photo.real) if photo.real.suffix.lower() not in _CONTAINERS else None
        told = told_in(sidecar)
        remembered = sidecar if sidecar is not None and (told is not None or self._turning.sidecars) else photo.real
        known = album.recall(remembered, remembered.stat())
        if known is not None and not (known.state == "undone" and self._turning.again):
            return _remembered(photo.path, known)
        data = await asyncio.to_thread(read_photo, photo.real, self._settings)
        seen = data if told is None else PhotoFile.open(data, self._settings.image_limits).told(told)
        upright = await self._straightener.straighten(
            seen, self._turning.method, min_probability=self._turning.min_probability
        )
        in_file = told is None and not self._turning.sidecars
        if upright.rotated_clockwise or (in_file and upright.done != "none"):
            return Proposal(photo, facts, data, seen, upright, sidecar, told)
        said = Judgement(upright.label, upright.probability, upright.certain, upright.proposed_clockwise)
        if self._turning.apply and remembered == photo.real:
            album.note_judged(photo.real, facts, said)
        return _told(photo.path, said)

    def _hindrance(self, found: Proposal) -> str | None:
        """Why a photo that should be turned is not."""
        if self._turning.sidecars:
            return self._hindrance_of_sidecar(found)
        if found.told is not None and found.sidecar is not None:
            return f"its sidecar {found.sidecar.name} tells how it is turned; --sidecars changes that"
        return self._unwritten("it", found.facts) or self._others(found)

    def _hindrance_of_sidecar(self, found: Proposal) -> str | None:
        if found.photo.real.suffix.lower() in _CONTAINERS:
            return "its turn is told in its container, not in a sidecar"
        if found.sidecar is None:
            return None
        name = f"its sidecar {found.sidecar.name}"
        return f"{name} is a link" if found.sidecar.is_symlink() else self._unwritten(name, found.sidecar.stat())

    def _others(self, found: Proposal) -> str | None:
        """Whose it is, if that would change; a dry run cannot try, and says nothing."""
        try:
            if self._turning.apply:
                refuse_others(found.photo.real, found.facts)
        except NotOursError as error:
            return str(error)
        return None

    def _unwritten(self, name: str, facts: os.stat_result) -> str | None:
        """Why a file is not to be replaced."""
        if not facts.st_mode & _WRITABLE:
            return f"{name} is write-protected"
        if facts.st_nlink > 1 and not self._turning.split_links:
            return _LINKED.format(name, facts.st_nlink)
        return None

    async def _stays_with(self, photo: Photo) -> str | None:
        """Why a photo stays as it is because a file that belongs to it does."""
        for other in [] if self._turning.apart else self._companions.of(photo.real):
            if other.suffix.lower() not in TURNED:
                return f"it belongs to {other.name}, which cannot be turned; --apart turns it alone"
            judged = await self._judged(Photo(other, other, photo.tree, named=False))
            if isinstance(judged, Proposal):
                why = self._hindrance(judged)
            else:
                why = None if judged.action == "upright" else judged.reason or judged.action
            if why:
                return f"it belongs to {other.name}, which stays as it is ({why}); --apart turns it alone"
        return None

    async def _turned(self, found: Proposal) -> Outcome:
        album, one = self._albums[found.photo.tree], found.upright
        method = "sidecar" if self._turning.sidecars else one.done
        if not self._turning.apply:
            return found.outcome("would_turn", method)
        said = Judgement(one.label, one.probability, one.certain, one.proposed_clockwise)
        if self._turning.sidecars:
            written, now = await asyncio.to_thread(self._write_sidecar, album, found)
        else:
            written = found.photo.real
            now = await asyncio.to_thread(album.replace, written, found.facts, found.data, one.data)
        album.note_turned(written, now, said)
        return found.outcome("turned", method)

    def _write_sidecar(self, album: Album, found: Proposal) -> tuple[Path, os.stat_result]:
        limits, clockwise = self._settings.image_limits, found.upright.rotated_clockwise
        real, sidecar = found.photo.real, found.sidecar
        if sidecar is None:
            sidecar = real.with_name(real.name + ".xmp")
            return sidecar, album.create(sidecar, real, turned_packet(None, None, found.data, clockwise, limits))
        facts, packet = sidecar.stat(), packet_of(sidecar)
        after = turned_packet(packet, found.told, found.data, clockwise, limits)
        return sidecar, album.replace(sidecar, facts, packet, after)


def _remembered(path: Path, known: Known) -> Outcome:
    if known.state == "undone":
        return Outcome(path, "undone", reason=f"put back on {known.since}; --again proposes it")
    if known.judgement is None:
        return Outcome(path, "left_alone", reason="a person has changed it since it was turned")
    return Outcome(path, "upright") if known.state == "turned" else _told(path, known.judgement)


def _told(path: Path, said: Judgement) -> Outcome:
    action: Action = "upright" if said.certain else "uncertain"
    return Outcome(path, action, said.clockwise, said.label, said.probability, said.certain)
