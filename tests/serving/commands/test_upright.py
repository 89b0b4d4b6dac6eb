import csv
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from models.images import decode
from serving.album.memory import FILE

OK, FAILED, USAGE = 0, 1, 2
TURN = {"up": 0, "right": 270, "down": 180, "left": 90}
TIME_NS = 1_000_000_000_123_456_789


def contents(tree: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(tree.rglob("*.*")) if path.suffix in (".jpeg", ".png", ".webp")}


def logs(tree: Path) -> list[Path]:
    return sorted(tree.glob("loupe-undo-*.jsonl"))


def sky_is_up(data: bytes) -> bool:
    picture = decode(data).convert("L").resize((1, 2))
    return picture.getpixel((0, 0)) > picture.getpixel((0, 1)) + 50


def outcomes(result) -> dict[str, dict]:
    return {line["file"]: line for line in map(json.loads, result.stdout.splitlines())}


def test_a_dry_run_tells_and_writes_nothing(loupe, tree):
    for name in ("a.gif", "notes.txt", "loupe-undo-1.jsonl"):
        (tree / name).write_bytes(b"")
    before, names = contents(tree), sorted(tree.rglob("*"))
    result = loupe("upright", tree)
    assert result.exit_code == OK
    assert "Not asked about, as of other kinds: 1 .gif, 1 .txt.\n" in result.stderr
    assert "12 photos: 9 would be turned, 3 upright." in result.stdout
    assert "left/0.jpeg" in result.stdout
    assert "↻ 90°" in result.stdout
    assert "--apply" in result.stderr
    assert (contents(tree), sorted(tree.rglob("*"))) == (before, names)


@pytest.mark.parametrize("method", ["tag", "pixels"])
def test_apply_turns_and_undo_restores_every_byte_and_time(loupe, tree, method):
    for number, path in enumerate(contents(tree)):
        os.utime(path, ns=(TIME_NS, TIME_NS + number))
        path.chmod(0o640)
    before = {path: (data, path.stat().st_mtime_ns) for path, data in contents(tree).items()}
    result = loupe("upright", tree, "--apply", "--method", method)
    assert result.exit_code == OK
    assert "12 photos: 9 turned, 3 upright." in result.stdout
    for path, data in contents(tree).items():
        assert sky_is_up(data)
        assert (data == before[path][0]) == (path.parent.name == "up")
        assert (path.stat().st_mtime_ns, path.stat().st_mode & 0o777) == (before[path][1], 0o640)
    [log] = logs(tree)
    assert str(log.name) in result.stderr
    undone = loupe("upright", "--undo", log)
    assert (undone.exit_code, "9 put back" in undone.stdout) == (OK, True)
    assert {path: (data, path.stat().st_mtime_ns) for path, data in contents(tree).items()} == before
    assert {path.stat().st_mode & 0o777 for path in before} == {0o640}


@pytest.mark.parametrize("method", ["tag", "pixels"])
def test_a_second_run_changes_nothing(loupe, tree, method):
    loupe("upright", tree, "--apply", "--method", method)
    after = contents(tree)
    result = loupe("upright", tree, "--apply", "--method", method)
    assert "12 photos: 12 upright." in result.stdout
    assert contents(tree) == after
    assert len(logs(tree)) == 1
    (tree / FILE).unlink()
    assert "12 upright." in loupe("upright", tree, "--apply", "--method", method).stdout  # nor without its memory
    assert contents(tree) == after


def test_what_was_put_back_is_left_alone_until_it_is_asked_for_again(loupe, tree):
    before = contents(tree)
    loupe("upright", tree, "--apply")
    [log] = logs(tree)
    loupe("upright", "--undo", log)
    today = datetime.now().astimezone().date().isoformat()
    for arguments in (["--apply"], [], ["--apply", "--method", "pixels"]):
        result = loupe("upright", tree, *arguments)
        assert "3 upright, 9 put back before." in result.stdout
        assert f"put back on {today}; --again proposes it" in result.stdout
        assert contents(tree) == before
    result = loupe("upright", "--undo", log)  # once more does no harm
    assert (result.exit_code, "9 photos: 9 as before already." in result.stdout) == (OK, True)
    assert "nothing left to put back" in result.stderr
    assert contents(tree) == before
    by_hand = tree / "left" / "0.jpeg"
    os.utime(by_hand)
    result = loupe("upright", tree, "--again")
    assert "8 would be turned, 3 upright, 1 left alone." in result.stdout
    assert "8 turned" in loupe("upright", tree, "--again", "--apply").stdout
    assert sky_is_up((tree / "left" / "1.png").read_bytes())
    assert by_hand.read_bytes() == before[by_hand]


def test_another_model_can_be_named(loupe, tree, zoo, tmp_path):
    models = zoo.publish(tmp_path / "models", zoo.orientation(), zoo.orientation(name="orientation-small"))
    result = loupe("upright", tree, "--models", models, "--model", "orientation-small")
    assert "9 would be turned" in result.stdout
    result = loupe("upright", tree, "--models", models, "--model", "orientation-large")
    assert (result.exit_code, "orientation-small" in result.stderr) == (USAGE, True)


def test_a_dry_run_of_undo_puts_nothing_back(loupe, tree):
    loupe("upright", tree, "--apply")
    [log], turned = logs(tree), contents(tree)
    result = loupe("upright", "--undo", log, "--dry-run", "--split-hard-links")
    assert result.exit_code == USAGE
    assert "--undo takes --json or --csv alone, and no --dry-run, --split-hard-links" in result.stderr
    assert contents(tree) == turned
    assert loupe("upright", "--undo", log, "--json").exit_code == OK


def test_the_page_replaces_nothing_but_a_page_of_ours(loupe, tree, tmp_path):
    before, mine = contents(tree), tmp_path / "mine.html"
    photo = loupe("upright", tree, "--html", tree / "up" / "0.jpeg")
    assert (photo.exit_code, "--html takes a file that ends in .html" in photo.stderr) == (USAGE, True)
    mine.write_text("<title>My page</title>")
    other = loupe("upright", tree, "--html", mine)
    assert (other.exit_code, "is something else than a page of photos to turn" in other.stderr) == (FAILED, True)
    assert (contents(tree), mine.read_text()) == (before, "<title>My page</title>")
    for _ in range(2):
        assert loupe("upright", tree, "--html", tmp_path / "page.html").exit_code == OK


def test_a_model_that_tells_no_turns_is_a_wrong_command(loupe, tree):
    result = loupe("upright", tree, "--model", "selfie", "--apply")
    assert (result.exit_code, result.stdout, logs(tree)) == (USAGE, "", [])
    assert "the model 'selfie' does not say how to turn a photo: its labels have no 'rotate_clockwise'" in result.stderr


def test_a_path_that_is_named_twice_is_one_path(loupe, tree, tmp_path):
    """Whether as a folder and a file in it, with and without its parents, or through a link."""
    link = tmp_path / "link"
    link.symlink_to(tree)
    for paths in (
        [tree, tree / "left" / "0.jpeg"],
        ["album", tree],
        [tree / "..", tree],
        [link, tree, tree / "left"],
        [tree / "left", tree / "right", tree / "left" / "1.png", tree],
    ):
        assert "12 photos: 9 would be turned, 3 upright." in loupe("upright", *paths).stdout
    photo = tree / "left" / "0.jpeg"
    assert "1 photo: 1 would be turned." in loupe("upright", photo, "album/left/0.jpeg", link / "left/0.jpeg").stdout
    assert "12 photos: 9 turned" in loupe("upright", "album", tree, "--apply").stdout
    assert len(logs(tree)) == 1


def test_what_is_no_regular_file_is_not_read(loupe, tree):
    os.mkfifo(tree / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tree / "socket.jpg"))
        result = loupe("upright", tree, "--apply")
        assert result.exit_code == OK
        assert "9 turned, 3 upright, 2 skipped." in result.stdout
        assert "2 skipped: it is no regular file" in result.stdout
        assert loupe("upright", tree / "pipe.jpg").exit_code == FAILED


def test_a_photo_beyond_the_limits_is_skipped_and_the_setting_is_named(loupe, tree, monkeypatch):
    monkeypatch.setenv("LOUPE_MAX_IMAGE_PIXELS", "3000")
    result = loupe("upright", tree, "--json")
    told = outcomes(result)[str(tree / "left" / "0.jpeg")]
    assert (result.exit_code, told["action"]) == (OK, "skipped")
    assert "64 x 48 pixels" in told["reason"]
    assert told["reason"].endswith("LOUPE_MAX_IMAGE_PIXELS allows more")
    monkeypatch.setenv("LOUPE_MAX_IMAGE_BYTES", "200")
    reasons = {one["reason"] for one in outcomes(loupe("upright", tree, "--json")).values()}
    assert any("at most 200 are allowed; LOUPE_MAX_IMAGE_BYTES allows more" in reason for reason in reasons)


def test_hard_links_are_told_and_split_only_if_that_is_wanted(loupe, tree, tmp_path):
    photo, other = tree / "left" / "0.jpeg", tmp_path / "other.jpeg"
    os.link(photo, other)
    before = photo.read_bytes()
    for arguments in ([], ["--apply"]):
        told = outcomes(loupe("upright", tree, "--json", *arguments))[str(photo)]
        assert (told["action"], "2 names" in told["reason"]) == ("skipped", True)
        assert "--split-hard-links" in told["reason"]
        assert photo.read_bytes() == other.read_bytes() == before
    told = outcomes(loupe("upright", tree, "--json", "--apply", "--split-hard-links"))[str(photo)]
    assert told["action"] == "turned"
    assert sky_is_up(photo.read_bytes())
    assert other.read_bytes() == before


def test_what_a_person_turned_since_is_left_alone(loupe, tree, zoo):
    loupe("upright", tree, "--apply")
    changed = tree / "left" / "0.jpeg"
    by_hand = zoo.encode(zoo.lit("down", (64, 50)), "JPEG")
    changed.write_bytes(by_hand)
    result = loupe("upright", tree, "--apply", "--json")
    assert outcomes(result)[str(changed)]["action"] == "left_alone"
    undone = loupe("upright", "--undo", *logs(tree), "--json")
    assert undone.exit_code == OK
    assert outcomes(undone)[str(changed)]["reason"] == "it was changed since"
    assert changed.read_bytes() == by_hand


def test_what_is_uncertain_is_told_apart_and_stays(loupe, tmp_path, zoo):
    photo = tmp_path / "[grey].jpg"
    photo.write_bytes(data := zoo.encode(Image.new("RGB", (64, 48), "grey")))
    result = loupe("upright", photo, "--apply")
    assert "uncertain, so they stay as they are" in result.stdout
    assert "[grey].jpg" in result.stdout
    assert photo.read_bytes() == data
    assert logs(tmp_path) == []


def test_json_and_csv_tell_every_photo(loupe, tree):
    told = outcomes(loupe("upright", tree, "--json"))
    assert told.keys() == {str(path) for path in contents(tree)}
    one = told[str(tree / "right" / "1.png")]
    assert one.pop("probability") > 0.9
    assert one == {
        "file": str(tree / "right" / "1.png"),
        "action": "would_turn",
        "rotate_clockwise": 270,
        "label": "right",
        "certain": True,
        "method": "tag",
        "reason": "",
    }
    rows = list(csv.DictReader(loupe("upright", tree, "--csv").stdout.splitlines()))
    assert {row["file"]: row["action"] for row in rows} == {file: one["action"] for file, one in told.items()}


def test_a_bar_of_one_s_own(loupe, tmp_path, zoo):
    """It stands besides the model's threshold, or in its place where there is none."""
    for name, certain_from in (("sure", 0.9), ("never", None)):
        models = zoo.publish(tmp_path / name, zoo.with_threshold(certain_from))
        photo = tmp_path / f"{name}.png"
        photo.write_bytes(zoo.png("left", (64, 48)))
        action = {}
        for bar in (None, 0.5, 1):
            arguments = [] if bar is None else ["--min-probability", bar]
            told = outcomes(loupe("upright", photo, "--models", models, "--json", *arguments))
            action[bar] = told[str(photo)]["action"]
        turned = {"sure": "would_turn", "never": "uncertain"}[name]
        assert action == {None: turned, 0.5: "would_turn", 1: "uncertain"}
    assert "--min-probability" in loupe("upright", photo, "--models", models).stderr


def test_hidden_files_links_and_others_are_passed_over(loupe, tree, tmp_path, zoo):
    outside = tmp_path / "outside.png"
    outside.write_bytes(zoo.png("left"))
    (tree / "link.png").symlink_to(outside)
    (tree / "circle").symlink_to(tree)
    (tree / ".hidden").mkdir()
    (tree / ".hidden" / "a.png").write_bytes(zoo.png("left"))
    (tree / ".a.png").write_bytes(zoo.png("left"))
    (tree / "notes.txt").write_text("no photo")
    assert "12 photos: 9 turned, 3 upright." in loupe("upright", tree, tree / "left", "--apply").stdout
    assert outside.read_bytes() == zoo.png("left")


def test_a_link_that_is_named_is_followed(loupe, tmp_path, zoo):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "photo.png", tmp_path / "link.png"
    real.write_bytes(zoo.png("left", (64, 48)))
    link.symlink_to(real)
    assert "1 turned" in loupe("upright", link, "--apply").stdout
    assert link.is_symlink()
    assert sky_is_up(real.read_bytes())
    assert logs(tmp_path / "real")


def test_write_protected_photos_stay(loupe, tree):
    photo = tree / "left" / "0.jpeg"
    photo.chmod(0o444)
    before = photo.read_bytes()
    told = outcomes(loupe("upright", tree, "--apply", "--json"))[str(photo)]
    assert (told["action"], told["reason"]) == ("skipped", "it is write-protected")
    assert photo.read_bytes() == before


def test_what_cannot_be_turned_is_told_and_the_others_are_turned(loupe, tree, tmp_path, zoo):
    frames = [zoo.lit("up"), zoo.lit("down")]
    (tree / "animated.webp").write_bytes(zoo.encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    result = loupe("upright", tree, "--apply")
    assert result.exit_code == OK
    assert "9 turned, 3 upright, 1 skipped" in result.stdout
    (tree / "cut.png").write_bytes(zoo.png("left")[:-20])
    result = loupe("upright", tree, tmp_path / "missing.jpg", "--json")
    assert result.exit_code == FAILED
    failed = {file: one["reason"] for file, one in outcomes(result).items() if one["action"] == "failed"}
    assert failed[str(tmp_path / "missing.jpg")] == "No such file or directory"
    assert failed.keys() == {str(tree / "cut.png"), str(tmp_path / "missing.jpg")}


def test_wrong_use_is_told(loupe, tree, tmp_path):
    for arguments in (
        [],
        [tree, "--undo", "log"],
        ["--undo", "log", "--apply"],
        [tree, "--json", "--csv"],
        [tree, "--method", "magic"],
        [tree, "--min-probability", 2],
    ):
        result = loupe("upright", *arguments)
        assert (result.exit_code, result.stdout) == (USAGE, "")
    (tmp_path / "no.jsonl").write_text("{}\n")
    for log in ("missing.jsonl", tmp_path / "no.jsonl"):
        result = loupe("upright", "--undo", log)
        assert (result.exit_code, result.stderr.count("\n")) == (FAILED, 1)


def test_one_process_at_a_time_works_on_a_tree(loupe, tree):
    with sqlite3.connect(tree / FILE) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = loupe("upright", tree, "--apply")
    other.close()
    assert result.exit_code == FAILED
    assert "another loupe is at work" in result.stderr


def test_a_damaged_memory_is_told(loupe, tree):
    (tree / FILE).write_bytes(b"no memory" * 1000)
    result = loupe("upright", tree, "--apply")
    assert result.exit_code == FAILED
    assert "is damaged" in result.stderr


def test_another_bar_judges_anew_and_the_same_does_not(loupe, tree):
    loupe("upright", tree, "--apply", "--min-probability", 1)
    assert "9 turned" in loupe("upright", tree, "--apply").stdout
    photo = tree / "up" / "0.jpeg"
    facts = photo.stat()
    photo.write_bytes(b"x" * facts.st_size)
    os.utime(photo, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert "12 upright" in loupe("upright", tree, "--apply").stdout  # known, so not even read
    os.utime(photo)
    assert "11 upright, 1 skipped" in loupe("upright", tree, "--apply").stdout


def test_an_undo_log_cannot_reach_outside_of_its_folder(loupe, tree, tmp_path):
    loupe("upright", tree, "--apply")
    [log] = logs(tree)
    outside = tmp_path / "outside.jpeg"
    first, second, *_ = log.read_text().splitlines()
    entry = json.loads(second)
    outside.write_bytes(data := (tree / entry["file"]).read_bytes())
    log.write_text(f"{first}\n{json.dumps(entry | {'file': '../outside.jpeg'})}\n")
    result = loupe("upright", "--undo", log)
    assert result.exit_code == FAILED
    assert outside.read_bytes() == data


def test_pixels_keep_the_original_file_until_it_is_put_back(loupe, tree):
    photo = tree / "left" / "0.jpeg"
    sky = decode(photo.read_bytes()).resize((640, 480))
    grain = Image.effect_noise((640, 480), 90).convert("RGB")
    Image.blend(sky, grain, 0.3).save(photo, quality=100)  # too large for a line of the log
    data, number = photo.read_bytes(), photo.stat().st_ino
    loupe("upright", tree, "--apply", "--method", "pixels")
    assert photo.read_bytes() != data
    [kept] = tree.glob(".loupe-undo-*/*.jpeg")
    assert kept.stat().st_ino == number
    loupe("upright", "--undo", *logs(tree))
    assert not kept.parent.exists()
    assert photo.read_bytes() == data
    assert photo.stat().st_ino == number


def test_ctrl_c_tells_what_was_done_and_the_next_run_goes_on(loupe, models, tmp_path, zoo):
    tree = tmp_path / "album"
    tree.mkdir()
    for number in range(400):
        (tree / f"{number}.png").write_bytes(zoo.png("left", (64, 48)))
    listening = ["env", "--default-signal=INT"]  # what runs in the background, as tests may, ignores it
    command = [
        *listening,
        sys.executable,
        "-m",
        "serving.commands.cli",
        "upright",
        str(tree),
        "--apply",
        "--models",
        str(models),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while sum(log.stat().st_size for log in logs(tree)) < 2_000:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        told, hint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert " turned." in told
    assert "Traceback" not in hint
    assert f"loupe upright --undo {logs(tree)[0].relative_to(tmp_path)}" in hint
    assert hint.endswith("loupe: stopped\n")
    assert "400 photos: " in loupe("upright", tree, "--apply").stdout
    assert all(sky_is_up(path.read_bytes()) for path in tree.glob("*.png"))


def test_names_that_are_no_text_are_names(loupe, tree, zoo):
    strange = tree / "caf\udce9.png"
    strange.write_bytes(before := zoo.png("left", (64, 48)))
    for form in ([], ["--csv"], ["--json"]):
        assert loupe("upright", tree, *form).exit_code == OK
    assert os.fsencode(strange) in loupe("upright", tree, "--csv").stdout_bytes
    assert outcomes(loupe("upright", tree, "--apply", "--json"))[str(strange)]["action"] == "turned"
    assert sky_is_up(strange.read_bytes())
    loupe("upright", "--undo", *logs(tree))
    assert strange.read_bytes() == before
    assert "10 put back before" in loupe("upright", tree).stdout


def test_a_table_in_a_pipe_has_whole_names(loupe, zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    name = f"{'a-long-name-' * 12}.png"
    (tmp_path / name).write_bytes(zoo.png("left", (64, 48)))
    assert any(line.startswith(f"{name} ") for line in loupe("upright", name).stdout.splitlines())


def test_a_folder_without_photos_is_told(loupe, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "raw.CR2").write_bytes(b"")
    for arguments in ([], ["--apply"], ["--json"]):
        result = loupe("upright", "empty", *arguments)
        assert result.exit_code == FAILED
        assert "There are no photos in empty.\nNot asked about, as of other kinds: 1 .cr2.\n" in result.stderr
    assert logs(tmp_path / "empty") == []


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_what_phones_store_is_read_and_turned(loupe, tmp_path, zoo, kind):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra heif")
    photo = tmp_path / f"phone.{kind.lower()}"
    if kind == "HEIF":
        pillow_heif.from_pillow(zoo.lit("left", (64, 48))).save(photo)
    else:
        photo.write_bytes(zoo.encode(zoo.lit("left", (64, 48)), kind))
    before = photo.read_bytes()
    [answer] = map(json.loads, loupe("predict", tmp_path, "--model", "orientation", "--json").stdout.splitlines())
    assert answer["results"]["orientation"]["label"] == "left"
    told = outcomes(loupe("upright", tmp_path, "--apply", "--json"))[str(photo)]
    assert (told["action"], told["method"], told["rotate_clockwise"]) == ("turned", "tag", 90)
    assert sky_is_up(photo.read_bytes())
    loupe("upright", "--undo", *logs(tmp_path))
    assert photo.read_bytes() == before
