"""loupe upright in photo libraries: sidecars, files that belong together, and a page to look through first."""

import json
import os
import re
import shutil
import subprocess
from base64 import b64decode
from html import unescape
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from models.images import decode
from serving.upright.formats import xmp

OK, FAILED, USAGE = 0, 1, 2
DIGIKAM = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n  <rdf:Description rdf:about=""\n'
    b'    xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"\n'
    b'   xmp:Rating="4"%s/>\n'
    b' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
)


def told(result) -> dict[str, dict]:
    return {Path(line["file"]).name: line for line in map(json.loads, result.stdout.splitlines())}


@pytest.fixture
def folder(tmp_path, zoo) -> Path:
    """One photo whose top is at its left, and an upright one."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "left.jpg").write_bytes(zoo.encode(zoo.lit("left", (64, 48)), "JPEG"))
    (folder / "up.jpg").write_bytes(zoo.encode(zoo.lit("up", (64, 48)), "JPEG"))
    return folder


@pytest.mark.parametrize("name", ["left.jpg.xmp", "left.xmp"])
def test_a_sidecar_s_orientation_counts_and_is_not_overruled(loupe, folder, name):
    sidecar = folder / name
    sidecar.write_bytes(DIGIKAM % b' tiff:Orientation="6"')
    one = told(loupe("upright", folder, "--json"))["left.jpg"]
    assert (one["action"], one["label"]) == ("upright", "up")
    sidecar.write_bytes(DIGIKAM % b' tiff:Orientation="3"')
    before = (folder / "left.jpg").read_bytes()
    one = told(loupe("upright", folder, "--json", "--apply"))["left.jpg"]
    assert (one["action"], "--sidecars" in one["reason"], name in one["reason"]) == ("skipped", True, True)
    assert (folder / "left.jpg").read_bytes() == before


def test_a_sidecar_without_an_orientation_does_not_count(loupe, folder):
    (folder / "left.jpg.xmp").write_bytes(DIGIKAM % b"")
    assert told(loupe("upright", folder, "--json", "--apply"))["left.jpg"]["method"] == "tag"


@pytest.mark.parametrize(
    ("packet", "then"),
    [(DIGIKAM % b' tiff:Orientation="3"', 6), (DIGIKAM % b"", 6), (None, 6), (DIGIKAM % b' tiff:Orientation="5"', 5)],
    ids=["told wrongly", "not told", "no sidecar", "a mirror that is right"],
)
def test_sidecars_are_written_in_the_place_of_photos_and_put_back(loupe, folder, packet, then, zoo):
    photo, sidecar = folder / "left.jpg", folder / "left.jpg.xmp"
    if packet is not None:
        sidecar.write_bytes(packet)
        os.utime(sidecar, ns=(10**18, 10**18))
    before, facts = photo.read_bytes(), photo.stat()
    result = loupe("upright", folder, "--json", "--apply", "--sidecars")
    right = packet is not None and xmp.orientation(packet) == then
    assert told(result)["left.jpg"]["action"] == ("upright" if right else "turned")
    assert (photo.read_bytes(), photo.stat().st_mtime_ns) == (before, facts.st_mtime_ns)
    assert xmp.orientation(sidecar.read_bytes()) == then
    assert told(loupe("upright", folder, "--json", "--apply", "--sidecars"))["left.jpg"]["action"] == "upright"
    if right:
        return
    [log] = folder.glob("loupe-undo-*.jsonl")
    assert "1 put back" in loupe("upright", "--undo", log).stdout
    if packet is None:
        assert not sidecar.exists()
    else:
        assert (sidecar.read_bytes(), sidecar.stat().st_mtime_ns) == (packet, 10**18)
    one = told(loupe("upright", folder, "--json", "--sidecars"))["left.jpg"]
    assert "--again" in one["reason"]
    assert "nothing left to put back" in loupe("upright", "--undo", log).stderr


@pytest.mark.parametrize("kind", ["is a link", "is write-protected", "has 2 names (hard links)"])
def test_sidecars_that_are_not_one_s_own_to_replace_stay(loupe, folder, tmp_path, kind):
    sidecar, other = folder / "left.jpg.xmp", tmp_path / "other.xmp"
    other.write_bytes(packet := DIGIKAM % b' tiff:Orientation="3"')
    if kind == "is write-protected":
        sidecar.write_bytes(packet)
        sidecar.chmod(0o444)
    else:
        (sidecar.symlink_to if kind == "is a link" else sidecar.hardlink_to)(other)
    before = sidecar.lstat()
    one = told(loupe("upright", folder, "--json", "--apply", "--sidecars"))["left.jpg"]
    assert (one["action"], one["reason"].startswith(f"its sidecar left.jpg.xmp {kind}")) == ("skipped", True)
    assert (sidecar.read_bytes(), sidecar.lstat().st_ino) == (packet, before.st_ino)


def test_a_new_sidecar_that_a_person_wrote_into_is_not_taken_away(loupe, folder):
    loupe("upright", folder, "--apply", "--sidecars")
    sidecar = folder / "left.jpg.xmp"
    sidecar.write_bytes(edited := sidecar.read_bytes().replace(b"rdf:about", b'xmp:Rating="5" rdf:about'))
    [log] = folder.glob("loupe-undo-*.jsonl")
    assert "it was changed since" in loupe("upright", "--undo", log).stdout
    assert sidecar.read_bytes() == edited


def test_a_dry_run_writes_no_sidecar(loupe, folder):
    assert told(loupe("upright", folder, "--json", "--sidecars"))["left.jpg"]["method"] == "sidecar"
    assert sorted(path.name for path in folder.iterdir()) == ["left.jpg", "up.jpg"]


def test_a_sidecar_that_has_no_place_for_it_is_told(loupe, folder):
    (folder / "left.jpg.xmp").write_bytes(b"<x/>")
    result = loupe("upright", folder, "--json", "--apply", "--sidecars")
    assert (result.exit_code, "sidecar cannot be edited" in told(result)["left.jpg"]["reason"]) == (FAILED, True)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
@pytest.mark.parametrize("packet", [None, DIGIKAM % b"", DIGIKAM % b' tiff:Orientation="1"'])
def test_exiftool_reads_the_sidecar(loupe, folder, packet):
    sidecar = folder / "left.jpg.xmp"
    if packet is not None:
        sidecar.write_bytes(packet)
    loupe("upright", folder, "--apply", "--sidecars")
    command = ["exiftool", "-j", "-n", "-Orientation", "-Rating", "-Warning", str(sidecar)]
    [said] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (said["Orientation"], said.get("Rating")) == (6, None if packet is None else 4)
    assert "Warning" not in said


@pytest.mark.parametrize("other", ["left.CR2", "LEFT.mov", "left.dng", "left.MP4"])
def test_what_belongs_to_a_file_that_is_not_turned_stays(loupe, folder, other):
    (folder / other).write_bytes(b"a raw file, or a film")
    for arguments in ([], ["--apply"]):
        result = loupe("upright", folder, "--json", *arguments)
        one = told(result)["left.jpg"]
        assert (result.exit_code, one["action"], other in one["reason"]) == (OK, "skipped", True)
    assert told(loupe("upright", folder, "--json", "--apply", "--apart"))["left.jpg"]["action"] == "turned"


def test_two_pictures_of_one_name_are_turned_together_or_not_at_all(loupe, folder, zoo):
    other = folder / "left.png"
    other.write_bytes(zoo.encode(Image.new("RGB", (64, 48), "grey"), "PNG"))
    said = told(loupe("upright", folder, "--json", "--apply"))
    assert (said["left.png"]["action"], said["left.jpg"]["action"]) == ("uncertain", "skipped")
    assert "left.png, which stays as it is (uncertain)" in said["left.jpg"]["reason"]
    other.write_bytes(zoo.png("left", (64, 48)))
    said = told(loupe("upright", folder, "--json", "--apply"))
    assert (said["left.png"]["action"], said["left.jpg"]["action"]) == ("turned", "turned")


def test_an_upright_photo_may_belong_to_anything(loupe, folder):
    (folder / "up.CR2").write_bytes(b"a raw file")
    assert told(loupe("upright", folder, "--json"))["up.jpg"]["action"] == "upright"


def test_a_page_shows_what_would_be_turned_and_its_list_excludes(loupe, folder, tmp_path, zoo):
    strange = folder / "ca<b>f\udce9.png"
    strange.write_bytes(zoo.png("right", (64, 48)))
    page = tmp_path / "report.html"
    result = loupe("upright", folder, "--dry-run", "--html", page)
    assert "2 would be turned" in result.stdout
    assert "report.html" in result.stderr
    html = page.read_text(encoding="utf-8")
    files = [json.loads(unescape(one)) for one in re.findall(r'data-file="([^"]*)"', html)]
    assert files == [str(strange), str(folder / "left.jpg")]
    assert html.count("<img") == 4
    assert "<b>" not in html
    assert re.findall(r'class="(turn\d+)"', html) == ["turn270", "turn90"]
    exclusions = tmp_path / "loupe-exclude.txt"
    exclusions.write_text(f"# a remark\n\n{json.dumps(str(strange))}\n")
    before = strange.read_bytes()
    said = told(loupe("upright", folder, "--apply", "--exclude", exclusions, "--json"))
    assert [one["action"] for one in said.values()] == ["skipped", "turned", "upright"]
    assert strange.read_bytes() == before
    exclusions.write_text("library/left.jpg\n")  # as a person writes it
    assert (
        told(loupe("upright", folder, "--again", "--exclude", exclusions, "--json"))["left.jpg"]["action"] == "skipped"
    )


@pytest.mark.parametrize(
    ("content", "stays"),
    [
        ("\ufefflibrary/left.jpg\n", True),
        ("library/left.jpg\r\n# a remark\r\n", True),
        ("library\n", True),
        ("library/\n", True),
        ("library/../library/left.jpg", True),
        ('\ufeff"library/left.jpg"\n', True),
        ("library/up.jpg\n", False),
        ("", False),
    ],
)
def test_a_list_by_hand_names_photos_and_folders(loupe, folder, tmp_path, content, stays):
    (tmp_path / "list.txt").write_bytes(content.encode())
    result = loupe("upright", folder, "--exclude", "list.txt", "--json")
    assert told(result)["left.jpg"]["action"] == ("skipped" if stays else "would_turn")
    assert "named no photo" not in result.stderr


def test_lines_that_keep_no_photo_are_told(loupe, folder, tmp_path):
    exclusions, before = tmp_path / "list.txt", (folder / "left.jpg").read_bytes()
    exclusions.write_text("library/up.jpg\nlibrary/Left.jpg\nlibrary/left.jpg gone\n")
    result = loupe("upright", folder, "--apply", "--exclude", exclusions)
    assert (result.exit_code, result.stdout) == (FAILED, "")
    assert result.stderr == (
        f"loupe: the list {exclusions} names what is not there: library/Left.jpg, library/left.jpg gone\n"
    )
    assert (folder / "left.jpg").read_bytes() == before
    for name in ("notes.txt", "elsewhere.jpg"):
        (tmp_path / name).write_text("")
    exclusions.write_text("notes.txt\nlibrary/left.jpg\nelsewhere.jpg\n")
    result = loupe("upright", folder, "--apply", "--exclude", exclusions)
    assert "1 upright, 1 skipped." in result.stdout
    assert "Of --exclude, these named no photo here: notes.txt, elsewhere.jpg.\n" in result.stderr


def test_the_page_s_thumbnails_are_what_was_judged(loupe, folder, tmp_path):
    exif = Image.Exif()
    exif[274] = 3
    image = Image.open(folder / "left.jpg")
    image.save(folder / "left.jpg", exif=exif, quality=90)
    page = tmp_path / "report.html"
    loupe("upright", folder, "--html", page)
    html = page.read_text(encoding="utf-8")
    [thumbnail, _] = [b64decode(one) for one in re.findall(r"base64,([^\"]*)", html)]
    picture = decode(thumbnail).convert("L").resize((2, 1))
    assert picture.getpixel((1, 0)) > picture.getpixel((0, 0)) + 50  # the sky is at the right once it is turned around
    assert 'class="turn270"' in html


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_what_a_person_unticks_on_the_page_is_excluded(loupe, folder, tmp_path, zoo):
    (folder / "right.jpg").write_bytes(zoo.encode(zoo.lit("right", (64, 48)), "JPEG"))
    page_file, exclusions = tmp_path / "report.html", tmp_path / "loupe-exclude.txt"
    loupe("upright", folder, "--html", page_file)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(page_file.as_uri())
        expect(page.locator("#count")).to_contain_text("2 of 2 would be turned")
        assert page.locator("header code").evaluate("code => code.getClientRects().length") == 1, "on one line"
        page.get_by_label("right.jpg").uncheck()
        expect(page.locator("#count")).to_contain_text("1 of 2 would be turned")
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the exclusions").click()
        download.value.save_as(exclusions)
        assert download.value.suggested_filename == "loupe-exclude.txt"
        assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [page_file.as_uri()]
        browser.close()
    said = told(loupe("upright", folder, "--apply", "--exclude", exclusions, "--json"))
    assert {name: one["action"] for name, one in said.items()} == {
        "left.jpg": "turned",
        "right.jpg": "skipped",
        "up.jpg": "upright",
    }


def test_wrong_use_of_these_is_told(loupe, folder, tmp_path):
    for arguments in (
        ["--apply", "--dry-run"],
        ["--apply", "--html", tmp_path / "page.html"],
        ["--sidecars", "--method", "pixels"],
    ):
        assert loupe("upright", folder, *arguments).exit_code == USAGE
    for arguments in (["--exclude", tmp_path / "missing.txt"], ["--html", tmp_path / "missing" / "page.html"]):
        result = loupe("upright", folder, *arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (FAILED, 1)
