import pytest

from models.errors import RequestError
from serving.album.undo_log import UndoLog, entries

FIRST, SECOND = b"\1" * 1000, b"\2" * 1000


@pytest.fixture
def log(tmp_path):
    """Of two photos."""
    written = UndoLog(tmp_path)
    assert not written.begun
    for number in range(2):
        photo = tmp_path / f"{number}.jpg"
        photo.write_bytes(FIRST)
        written.note(photo, FIRST, FIRST[:-1] + b"?", number)
    written.close()
    return written.path


def test_it_is_read_back(log):
    first, second = entries(log)
    assert (first.file, second.file, second.mtime_ns) == ("0.jpg", "1.jpg", 1)
    assert [patch.old for patch in first.patches] == [b"\1"]


def test_it_is_for_whoever_turned_the_photos(log):
    """Of a small one it may hold every byte."""
    assert log.stat().st_mode & 0o777 == 0o600


def test_one_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(RequestError, match=r"cannot be read: Is a directory$"):
        list(entries(tmp_path))


def test_a_line_that_was_cut_off_never_happened(log):
    whole = log.read_bytes()
    second = whole.rindex(b"\n", 0, -1) + 1
    for end in range(second, len(whole)):
        log.write_bytes(whole[:end])
        assert [entry.file for entry in entries(log)] == ["0.jpg"]


@pytest.mark.parametrize("line", [b"{}\n", b"no JSON\n", b'{"file": 1}\n', b"[]\n"])
def test_a_broken_line_is_told(log, line):
    log.write_bytes(log.read_bytes() + line)
    with pytest.raises(RequestError, match="line 4 of"):
        list(entries(log))


@pytest.mark.parametrize("start", [b"", b"{}\n", b"\0\0"])
def test_another_file_is_told(log, start):
    log.write_bytes(start)
    with pytest.raises(RequestError, match="no undo log"):
        list(entries(log))


def test_what_is_large_is_kept_as_a_second_name_of_the_file(tmp_path):
    photo = tmp_path / "large.png"
    photo.write_bytes(old := FIRST * 100)
    log = UndoLog(tmp_path)
    log.note(photo, old, SECOND * 100, 5)
    log.close()
    [entry] = entries(log.path)
    kept = tmp_path / entry.original
    assert kept.read_bytes() == old
    assert kept.stat().st_ino == photo.stat().st_ino
    assert kept.parent.name.startswith(".")  # so that it is not taken for one of the tree's photos


def test_two_logs_of_one_second_have_their_own_names(tmp_path):
    photo = tmp_path / "0.jpg"
    photo.write_bytes(FIRST)
    for _ in range(3):
        log = UndoLog(tmp_path)
        log.note(photo, FIRST, SECOND, 1)
        log.close()
    assert len(list(tmp_path.glob("loupe-undo-*.jsonl"))) == 3


def test_a_full_disk_leaves_no_half_line(tmp_path, full_disk):
    photo = tmp_path / "0.jpg"
    photo.write_bytes(FIRST)
    log = UndoLog(tmp_path)
    log.note(photo, FIRST, SECOND, 1)
    with full_disk(log.path.stat().st_size + 100), pytest.raises(OSError, match="too large"):
        log.note(photo, FIRST, SECOND, 2)
    log.note(photo, FIRST, SECOND, 3)
    log.close()
    assert [entry.mtime_ns for entry in entries(log.path)] == [1, 3]


@pytest.mark.parametrize("size", [0, 5, len('{"loupe_undo": 1}') + 20])
@pytest.mark.parametrize("times", [1, 100], ids=["patched", "kept"])
def test_a_full_disk_before_the_first_entry_leaves_a_log_that_can_be_read_or_none(tmp_path, full_disk, size, times):
    photo = tmp_path / "0.jpg"
    photo.write_bytes(FIRST * times)
    log = UndoLog(tmp_path)
    with full_disk(size), pytest.raises(OSError, match="too large"):
        log.note(photo, FIRST * times, SECOND * times, 1)
    assert not log.begun
    assert photo.stat().st_nlink == 1, "what was not noted is not kept"
    log.note(photo, FIRST * times, SECOND * times, 2)
    log.close()
    assert [entry.mtime_ns for entry in entries(log.path)] == [2]


def test_a_log_without_an_entry_is_not_left_behind(tmp_path, full_disk):
    photo = tmp_path / "0.jpg"
    photo.write_bytes(FIRST)
    log = UndoLog(tmp_path)
    with full_disk(40), pytest.raises(OSError, match="too large"):  # there is room for the first line
        log.note(photo, FIRST, SECOND, 1)
    log.close()
    assert list(tmp_path.iterdir()) == [photo]
