"""What stands in the way of putting a photo back, and what is remembered then."""

import os
import tempfile
from pathlib import Path

import pytest

from serving.album.album import Album
from serving.album.memory import Judgement
from serving.album.undo_log import Entry
from serving.album.undoing import Undoing

BEFORE, AFTER = b"before" * 10, b"after!" * 10
LARGE, TURNED = BEFORE * 2000, AFTER * 2000  # so large that the original is kept as a file
SAID = Judgement("left", 0.99, certain=True, clockwise=90)


def turn(photo: Path, before: bytes, after: bytes) -> Path:
    """Returns the log."""
    photo.write_bytes(before)
    with Album(photo.parent, "judge") as album:
        album.note_turned(photo, album.replace(photo, photo.stat(), before, after), SAID)
    return album.log.path


def test_an_undo_that_finds_damage_says_so(photo):
    with Album(photo.parent, "judge") as album:
        album.replace(photo, photo.stat(), BEFORE, AFTER)
        log = album.log.path
    log.write_text(log.read_text().replace('"before": "', '"before": "0'))
    with Album(photo.parent, "") as album:
        assert [undone.action for undone in album.undo(log)] == ["failed"]
    assert photo.read_bytes() == AFTER


def test_an_original_that_was_removed_is_told(photo):
    photo.write_bytes(LARGE)
    with Album(photo.parent, "judge") as album:
        album.replace(photo, photo.stat(), LARGE, TURNED)
        [kept] = album.log.originals.folder.iterdir()
        kept.unlink()
        [undone] = album.undo(album.log.path)
    assert (undone.action, undone.reason) == ("failed", "its original is not there any more")


def test_what_could_not_be_put_back_is_not_a_person_s(photo, full_disk):
    """A full disk, say; the next try is not the last."""
    log = turn(photo, LARGE, LARGE[:-1] + b"?")
    with full_disk(len(LARGE) // 2), Album(photo.parent, "") as album:
        assert [undone.action for undone in album.undo(log)] == ["failed"]
    with Album(photo.parent, "judge") as album:
        assert album.recall(photo, photo.stat()) == ("turned", SAID, "")
        assert [undone.action for undone in album.undo(log)] == ["restored"]
        assert album.recall(photo, photo.stat()).state == "undone"
    assert photo.read_bytes() == LARGE


def test_nothing_is_put_back_that_cannot_be_remembered(photo, full_disk):
    """Else it would be taken for a person's change for ever."""
    log = turn(photo, BEFORE, AFTER)
    with Album(photo.parent, "") as album:
        with full_disk(100):
            [undone] = album.undo(log)
        assert (undone.action, "sqlite3 cannot be written" in undone.reason) == ("failed", True)
        assert photo.read_bytes() == AFTER
        assert [undone.action for undone in album.undo(log)] == ["restored"]


def test_an_original_of_another_file_system_comes_back(photo):
    """As where the photo's folder is mounted in the tree: then it is kept as a copy, and no file goes across."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == photo.stat().st_dev:
        pytest.skip("there is one file system alone")
    with tempfile.NamedTemporaryFile(dir=elsewhere, delete=False) as file:
        kept = Path(file.name)
        file.write(BEFORE)
    photo.write_bytes(AFTER)
    photo.chmod(0o640)
    with Album(photo.parent, "") as album:
        Undoing(photo.parent, album._memory)._replace(
            photo, BEFORE, Entry("photo.jpg", "", "", 10**18, original=str(kept))
        )
    facts = photo.stat()
    assert (photo.read_bytes(), facts.st_mtime_ns, facts.st_mode & 0o777) == (BEFORE, 10**18, 0o640)
    assert not kept.exists()


def test_an_undo_that_was_killed_before_a_photo_came_back_is_known_from_its_log(photo):
    log = turn(photo, BEFORE, AFTER)
    other = photo.with_name("other.jpg")
    newer = turn(other, BEFORE, AFTER)
    os.utime(newer, ns=(10**18, 10**18))
    os.utime(log, ns=(10**17, 10**17))
    album = Album(photo.parent, "")
    album.__enter__()
    undoing = album.undo(log)
    next(undoing)
    undoing.close()
    photo.write_bytes(AFTER)  # as it was between what is noted and what is done
    album._memory._connection.close()
    with Album(photo.parent, "judge") as again:
        assert again.recall(photo, photo.stat()).state == "turned"


def test_an_album_s_photo_is_left_alone_once_its_new_sidecar_was_taken_away(photo):
    sidecar = photo.with_name("photo.jpg.xmp")
    with Album(photo.parent, "judge") as album:
        album.note_turned(sidecar, album.create(sidecar, photo, b"<x/>"), SAID)
        assert [undone.action for undone in album.undo(album.log.path)] == ["restored"]
        assert not sidecar.exists()
        assert album.recall(photo, photo.stat()).state == "undone"
        sidecar.write_bytes(b"<another program's/>")
        assert album.recall(sidecar, sidecar.stat()) is None
