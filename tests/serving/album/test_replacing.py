"""Whose a file is stays as it is, or the file does."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.errors import NotOursError
from serving.album.album import Album
from serving.album.memory import FILE, Judgement
from serving.album.replacing import keep_owner, prepare
from serving.commands.cli import app

OWNER, OTHER, THIRD, SHARED, FOREIGN = 61001, 61002, 61003, 61100, 61200
BEFORE, AFTER = b"before", b"after!"


@contextmanager
def other_user(user: int = OTHER) -> Iterator[None]:
    """One of the shared group, and not root."""
    groups = os.getgroups()
    os.setgroups([SHARED])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def library() -> Iterator[Path]:
    """A folder of a shared group, where anybody comes to, as not to pytest's own."""
    if os.geteuid():
        pytest.skip("only root can be several users")
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, OWNER, SHARED)
    folder.chmod(0o770)
    yield folder
    shutil.rmtree(folder)


def photo_of(folder: Path, user: int, group: int) -> Path:
    photo = folder / "photo.jpg"
    photo.write_bytes(BEFORE)
    os.chown(photo, user, group)
    photo.chmod(0o660)
    return photo


def whose(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)


@pytest.mark.parametrize(
    ("user", "group", "told"), [(OWNER, SHARED, "another user"), (OTHER, FOREIGN, "a group that you are not in")]
)
def test_a_photo_whose_owner_would_lose_it_stays(library, user, group, told):
    photo = photo_of(library, user, group)
    with other_user(), Album(library, "judge") as album, pytest.raises(NotOursError, match=told):
        album.replace(photo, photo.stat(), BEFORE, AFTER)
    assert (photo.read_bytes(), whose(photo)) == (BEFORE, (user, group, 0o660))
    assert [path for path in library.iterdir() if path.name.startswith((".loupe-undo", "loupe-undo"))] == []
    assert list(library.glob(".loupe-*.tmp")) == []


def test_a_photo_stays_with_the_other_file_that_is_it_too(library, models, zoo, monkeypatch):
    """A RAW file's JPEG, say: here a PNG of its name, which belongs to somebody else."""
    shutil.copytree(models, library / "models")
    (library / "models").chmod(0o755)
    photos = library / "photos"
    photos.mkdir()
    os.chown(photos, OWNER, SHARED)
    photos.chmod(0o770)
    for name, user, kind in (("a.jpg", OTHER, "JPEG"), ("a.png", OWNER, "PNG"), ("b.jpg", OTHER, "JPEG")):
        (photos / name).write_bytes(zoo.encode(zoo.lit("left", (64, 48)), kind))
        os.chown(photos / name, user, SHARED)
    monkeypatch.chdir(library)
    command = ["upright", "photos", "--json", "--models", "models"]
    dry = CliRunner().invoke(app, command)  # which imports all that others may not be able to read
    assert dry.stdout.count("would_turn") == 3
    with other_user():
        result = CliRunner().invoke(app, [*command, "--apply"])
    told = {Path(line["file"]).name: line for line in map(json.loads, result.stdout.splitlines())}
    assert {name: one["action"] for name, one in told.items()} == {
        "a.jpg": "skipped",
        "a.png": "skipped",
        "b.jpg": "turned",
    }
    assert "a.png, which stays as it is (it belongs to another user" in told["a.jpg"]["reason"]


def test_a_photo_keeps_a_group_that_one_is_in(library):
    photo = photo_of(library, OTHER, SHARED)
    with other_user(), Album(library, "judge") as album:
        album.replace(photo, photo.stat(), BEFORE, AFTER)
    assert (photo.read_bytes(), whose(photo)) == (AFTER, (OTHER, SHARED, 0o660))


def test_root_keeps_everybody_s_photos_theirs(library):
    photo = photo_of(library, OWNER, FOREIGN)
    with Album(library, "judge") as album:
        album.replace(photo, photo.stat(), BEFORE, AFTER)
    assert (photo.read_bytes(), whose(photo)) == (AFTER, (OWNER, FOREIGN, 0o660))


def test_a_new_sidecar_beside_another_s_photo_is_one_s_own_and_the_group_s(library):
    photo = photo_of(library, OWNER, SHARED)
    with other_user(), Album(library, "judge") as album:
        album.create(library / "photo.jpg.xmp", photo, b"<x/>")
    assert whose(library / "photo.jpg.xmp") == (OTHER, SHARED, 0o660)


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o2770])
def test_people_who_share_a_folder_go_on_where_others_ended(library, mode):
    library.chmod(mode)
    photo = photo_of(library, OWNER, SHARED)
    said = Judgement("up", 0.99, certain=True, clockwise=0)
    with other_user(OTHER), Album(library, "judge") as album:
        album.note_judged(photo, photo.stat(), said)
    assert whose(library / FILE) == (OTHER, SHARED, mode & 0o666)
    with other_user(OWNER), Album(library, "judge") as album:
        assert album.recall(photo, photo.stat()).judgement == said
        album.note_turned(photo, photo.stat(), said)


def test_a_group_that_one_is_not_in_is_not_let_in(library):
    os.chown(library, OTHER, FOREIGN)
    with other_user(OTHER), Album(library, "judge"):
        pass
    assert whose(library / FILE)[2] & 0o022 == 0


def test_what_another_left_half_done_and_cannot_be_read_stops_nobody(library):
    library.chmod(0o3770)  # in which nobody removes what is another's
    photo = photo_of(library, OTHER, SHARED)
    photo.write_bytes(BEFORE * 20_000)
    with other_user(OTHER):
        album = Album(library, "judge")
        album.__enter__()
        album.replace(photo, photo.stat(), BEFORE * 20_000, AFTER * 20_000)
        album.log.path.chmod(0o660)
        album.log.originals.folder.chmod(0o700)
        photo.chmod(0o600)
        waiting = prepare(photo, AFTER)
        album.log.close()
        album._memory._connection.close()
    with other_user(THIRD), Album(library, "judge") as again:
        assert again._memory.was_interrupted
    assert waiting.exists()


@pytest.mark.skipif(not os.geteuid(), reason="root may give anything away")
def test_whoever_is_not_root_gives_nothing_away(tmp_path):
    with (tmp_path / "mine").open("wb") as mine, pytest.raises(NotOursError):
        keep_owner(mine.fileno(), Path("/").stat())
