"""What a killed process leaves, made by hand; test_kill.py kills real ones."""

import errno
import os
import threading
from pathlib import Path

import pytest

from models.errors import ChangedMeanwhileError, RequestError, ServiceError
from serving.album.album import Album
from serving.album.gate import Gate
from serving.album.memory import Judgement
from serving.album.replacing import prepare

BEFORE, AFTER = b"before" * 10, b"after!" * 10
LARGE, TURNED = BEFORE * 2000, AFTER * 2000  # so large that the original is kept as a file
SAID = Judgement("left", 0.99, certain=True, clockwise=90)


def killed(tree: Path):
    """An album whose process ends without a word."""
    album = Album(tree, "judge")
    album.__enter__()
    return album


def die(album: Album) -> None:
    album.log.close()
    album._memory._connection.rollback()
    album._memory._connection.close()


def test_a_photo_that_changed_while_it_was_judged_stays(photo):
    with Album(photo.parent, "judge") as album:
        facts = photo.stat()
        photo.write_bytes(b"by a person")
        with pytest.raises(ChangedMeanwhileError):
            album.replace(photo, facts, BEFORE, AFTER)
        assert not album.log.begun
    assert photo.read_bytes() == b"by a person"
    assert list(photo.parent.glob(".loupe-*.tmp")) == []


def test_what_waited_to_replace_a_photo_is_swept_away(photo):
    album = killed(photo.parent)
    waiting = prepare(photo, AFTER)
    die(album)
    with Album(photo.parent, "judge") as again:
        assert not waiting.exists()
        assert again.recall(photo, photo.stat()) is None


def test_a_photo_that_was_turned_just_before_is_known_from_the_log(photo):
    album = killed(photo.parent)
    album.replace(photo, photo.stat(), BEFORE, AFTER)  # and the memory never heard of it
    die(album)
    with Album(photo.parent, "judge") as again:
        assert again.recall(photo, photo.stat()).state == "turned"
        photo.write_bytes(b"put back by hand")
        assert again.recall(photo, photo.stat()).state == "left"
    with Album(photo.parent, "another") as later:
        assert later.recall(photo, photo.stat()).state == "left"


def test_a_photo_that_was_only_about_to_be_turned_is_judged(photo):
    album = killed(photo.parent)
    album.log.note(photo, BEFORE, AFTER, photo.stat().st_mtime_ns)
    die(album)
    with Album(photo.parent, "judge") as again:
        assert again.recall(photo, photo.stat()) is None


def test_judgements_count_for_their_judge_and_their_bytes(photo):
    with Album(photo.parent, "judge") as album:
        album.note_judged(photo, photo.stat(), SAID)
    with Album(photo.parent, "judge") as album:
        assert album.recall(photo, photo.stat()).judgement == SAID
        os.utime(photo)
        assert album.recall(photo, photo.stat()) is None
    with Album(photo.parent, "another") as album:
        assert album.recall(photo, photo.stat()) is None


def test_two_albums_of_one_tree_are_refused(photo):
    with Album(photo.parent, "judge"), pytest.raises(RequestError, match="another loupe"):
        Album(photo.parent, "judge")


def test_a_read_only_album_writes_nothing(photo):
    with Album(photo.parent, "judge", read_only=True) as album:
        assert album.recall(photo, photo.stat()) is None
    assert list(photo.parent.iterdir()) == [photo]


def test_extended_attributes_and_times_are_taken_over(photo):
    os.utime(photo, ns=(10**18, 10**18 + 1))
    try:
        os.setxattr(photo, "user.stars", b"5")
    except OSError:
        pytest.skip("the file system knows no extended attributes")
    with Album(photo.parent, "judge") as album:
        album.replace(photo, photo.stat(), BEFORE, AFTER)
    assert os.getxattr(photo, "user.stars") == b"5"
    assert photo.stat().st_mtime_ns == 10**18 + 1


@pytest.mark.parametrize("noted", [True, False], ids=["before the photo is replaced", "before it is noted"])
def test_a_kill_leaves_no_second_name_for_which_a_photo_would_be_passed_over(photo, noted):
    photo.write_bytes(LARGE)
    album = killed(photo.parent)
    if noted:
        album.log.note(photo, LARGE, TURNED, photo.stat().st_mtime_ns)
    else:
        album.log.originals.keep(photo)
    die(album)
    assert photo.stat().st_nlink == 2
    with Album(photo.parent, "judge") as again:
        assert photo.stat().st_nlink == 1
        assert again.recall(photo, photo.stat()) is None
    assert list(photo.parent.glob(".loupe-undo-*")) == []


def test_the_original_of_a_turned_photo_is_kept_though_a_person_has_a_name_for_it_too(photo):
    photo.write_bytes(LARGE)
    other = photo.with_name("the same.jpg")
    other.hardlink_to(photo)
    album = killed(photo.parent)
    album.replace(photo, photo.stat(), LARGE, TURNED)
    die(album)
    with Album(photo.parent, "judge") as again:
        assert [undone.action for undone in again.undo(album.log.path)] == ["restored"]
    assert (photo.read_bytes(), other.read_bytes()) == (LARGE, LARGE)


def test_a_photo_that_cannot_be_replaced_has_no_second_name(photo):
    photo.write_bytes(LARGE)
    with Album(photo.parent, "judge") as album:
        facts = photo.stat()
        kept = album.log.note(photo, LARGE, TURNED, facts.st_mtime_ns)
        with pytest.raises(FileNotFoundError):
            album._commit(photo.with_name("gone"), photo, facts, kept)
    assert (photo.read_bytes(), photo.stat().st_nlink) == (LARGE, 1)


def test_an_end_waits_for_what_was_begun_and_nothing_is_begun_after_it():
    gate, inside, leave = Gate(), threading.Event(), threading.Event()

    def change() -> None:
        with gate.passed():
            inside.set()
            leave.wait(30)

    changing, ending = threading.Thread(target=change), threading.Thread(target=gate.close)
    changing.start()
    assert inside.wait(30)
    ending.start()
    ending.join(0.05)
    assert ending.is_alive()
    leave.set()
    ending.join(30)
    assert not ending.is_alive()
    with pytest.raises(ServiceError), gate.passed():
        pass


def test_a_photo_that_comes_to_be_turned_after_the_end_stays(photo):
    photo.write_bytes(LARGE)
    with Album(photo.parent, "judge") as album:
        facts = photo.stat()
    with pytest.raises(ServiceError, match="stop"):
        album.replace(photo, facts, LARGE, TURNED)
    assert (photo.read_bytes(), photo.stat().st_nlink) == (LARGE, 1)


@pytest.mark.parametrize("broken", [b"", b"{}", b'{"loupe_undo": 1}\nno entry\n'])
def test_a_log_that_cannot_be_read_blocks_no_folder(photo, broken):
    album = killed(photo.parent)
    album.replace(photo, photo.stat(), BEFORE, AFTER)
    die(album)
    newest = photo.with_name("loupe-undo-29991231T000000Z.jsonl")
    newest.write_bytes(broken)
    os.utime(newest, ns=(2**62, 2**62))
    with Album(photo.parent, "judge") as again:
        assert again.recall(photo, photo.stat()).state == "turned"
        assert [undone.action for undone in again.undo(album.log.path)] == ["restored"]


def test_photos_are_turned_though_a_full_disk_has_no_room_to_remember_it(photo, full_disk):
    """What the memory lacks is learnt from the log by the next process, as after a kill."""
    other = photo.with_name("other.jpg")
    other.write_bytes(BEFORE)
    with Album(photo.parent, "judge") as album:
        assert album.trouble == ""
        for path in (photo, other):
            now = album.replace(path, path.stat(), BEFORE, AFTER)
            with full_disk(100):
                album.note_turned(path, now, SAID)
                album._memory._committed -= 10  # so that the next is written at once
        with full_disk(100):
            album.note_judged(photo, now, SAID)
        assert f"{photo.parent}/.loupe-upright.sqlite3 cannot be written" in album.trouble
    with Album(photo.parent, "judge") as again:
        assert [again.recall(path, path.stat()).state for path in (photo, other)] == ["turned", "turned"]


def test_a_disk_that_is_full_at_the_end_is_no_traceback(photo, full_disk):
    with Album(photo.parent, "judge") as album:
        album.note_judged(photo, photo.stat(), SAID)
        limit = full_disk(100)
        limit.__enter__()
    limit.__exit__(None, None, None)
    assert "cannot be written" in album.trouble
    with Album(photo.parent, "judge") as again:
        assert (again._memory.was_interrupted, again.recall(photo, photo.stat())) == (True, None)


def test_a_new_file_is_made_where_no_file_has_two_names(photo, monkeypatch):
    """exFAT, say, which cannot be mounted here."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    sidecar = photo.with_name("photo.jpg.xmp")
    with Album(photo.parent, "judge") as album:
        album.create(sidecar, photo, b"<x/>")
        assert sidecar.read_bytes() == b"<x/>"
        with pytest.raises(ChangedMeanwhileError, match="made by another program"):
            album.create(sidecar, photo, b"<y/>")
    assert sidecar.read_bytes() == b"<x/>"
    assert list(photo.parent.glob(".loupe-*.tmp")) == []
