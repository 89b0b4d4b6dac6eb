"""POST …:feedback: what is kept of what people say, and what training makes of it."""

import asyncio
import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import StorageFullError
from models.images import decode
from serving.engine.classifier import Prediction
from serving.service.corrections import Correction, Corrections
from serving.settings import Settings
from training.photos.scan import scan
from training.photos.tasks import ORIENTATION, SELFIE

SELFIES, SKIES = "/v1/models/selfie:feedback", "/v1/models/orientation:feedback"
MIB = 1024 * 1024


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_is_off_unless_a_folder_is_named(client, zoo):
    answer = client.post(SELFIES, params={"label": "selfie"}, content=zoo.png())
    assert answer.status_code == 403
    assert answer.json()["error"] == "corrections are not taken here; LOUPE_FEEDBACK names the folder for them"


def test_answer_and_correction_are_kept_and_the_photo_is_not(serve_with, zoo, tmp_path):
    client, photo = serve_with(feedback=tmp_path), zoo.png()
    digest = sha256(photo).hexdigest()
    for right in ("selfie", "not_selfie"):  # the last one counts
        answer = client.post(SELFIES, params={"label": right}, content=photo)
        assert answer.status_code == 200
        assert (answer.json()["label"], answer.json()["photo"]) == (right, False)
    assert files(tmp_path) == {f"selfie/answers/{digest}.json"}
    kept = json.loads((tmp_path / f"selfie/answers/{digest}.json").read_text())
    assert kept.keys() == {"sha256", "time", "model", "version", "answer", "right"}
    assert (kept["sha256"], kept["model"], kept["version"], kept["right"]) == (digest, "selfie", "3", "not_selfie")
    said = client.post("/v1/models/selfie:predict", content=photo).json()["predictions"][0]
    assert kept["answer"] == {name: said[name] for name in ("label", "probability", "certain")}
    form = client.post(SELFIES, files={"image": ("of me.png", photo)}, data={"label": "selfie"})
    assert form.status_code == 200
    assert "of me" not in (tmp_path / f"selfie/answers/{digest}.json").read_text()


def test_the_digest_is_made_beside_the_loop(serve_with, zoo, tmp_path, monkeypatch):
    """Of 32 MiB it took 27 ms of it."""
    client, made = serve_with(feedback=tmp_path), list[int]()

    def noted(data: bytes) -> object:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        made.append(len(data))
        return sha256(data)

    monkeypatch.setattr("serving.upright.feedback.sha256", noted)
    assert client.post(SELFIES, params={"label": "selfie"}, content=zoo.png()).status_code == 200
    assert made == [len(zoo.png())]


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ({"params": {"label": "cat"}}, 400, "selfie has no label 'cat'; it has: not_selfie, selfie"),
        ({}, 400, "a correction is of one photo, and names the right label: ?label=…"),
        ({"params": {"label": "selfie"}, "content": b"\0 no image"}, 415, "the data is not an image that is served"),
    ],
)
def test_what_is_no_correction_leaves_nothing(serve_with, zoo, tmp_path, asked, status, sentence):
    answer = serve_with(feedback=tmp_path).post(SELFIES, **({"content": zoo.png()} | asked))
    assert (answer.status_code, answer.json()["error"][: len(sentence)]) == (status, sentence)
    assert files(tmp_path) == set()


def test_training_reads_the_photos_as_they_lie(serve_with, zoo, tmp_path):
    client = serve_with(feedback=tmp_path, feedback_photos=True)
    photos = [zoo.png(side, (60, 40)) for side in zoo.sides]
    for photo in photos:
        client.post(SELFIES, params={"label": "not_selfie"}, content=photo)
    client.post(SELFIES, params={"label": "selfie"}, content=photos[0])
    assert client.post(SKIES, params={"label": "left"}, content=zoo.png("left", (60, 40))).json()["photo"]
    found = scan([tmp_path / "selfie/photos"], SELFIE)
    assert {(photo.sha256, photo.label) for photo in found.photos} == {
        (sha256(photo).hexdigest(), "not_selfie" if index else "selfie") for index, photo in enumerate(photos)
    }
    [sky] = scan([tmp_path / "orientation/photos"], ORIENTATION).photos
    upright = np.asarray(decode(Path(sky.path).read_bytes()))
    assert (upright == np.asarray(zoo.lit("up", (40, 60)))).mean() > 0.9  # it lay on its side


def test_what_cannot_be_turned_is_said_and_not_kept(serve_with, zoo, tmp_path):
    client, gif = serve_with(feedback=tmp_path, feedback_photos=True), zoo.encode(zoo.lit("left"), "GIF")
    answer = client.post(SKIES, params={"label": "left"}, content=gif)
    assert (answer.status_code, answer.json()["photo"]) == (200, False)
    assert files(tmp_path) == {f"orientation/answers/{sha256(gif).hexdigest()}.json"}


def correction(label: str = "cat") -> Correction:
    return Correction("pets", "1", Prediction("dog", 0.9, True, {"dog": 0.9, "cat": 0.1}, {}), label)


def test_a_full_folder_takes_no_more_and_keeps_what_it_has(zoo, tmp_path):
    corrections = Corrections(Settings(feedback=tmp_path, feedback_photos=True, feedback_max_bytes=MIB))
    noise = np.random.default_rng(0).integers(0, 256, (450, 450, 3), dtype=np.uint8)
    photo = zoo.encode(Image.fromarray(noise), "PNG")  # 0.6 MB
    assert corrections.keep(correction(), "a" * 64, photo)
    before = files(tmp_path)
    with pytest.raises(StorageFullError, match="the corrections fill the 1048576 bytes that they may take"):
        corrections.keep(correction(), "b" * 64, photo)
    assert files(tmp_path) == before
    assert corrections.keep(correction("dog"), "a" * 64, photo)  # in its own place
    again = Corrections(Settings(feedback=tmp_path, feedback_photos=True, feedback_max_bytes=MIB))
    with pytest.raises(StorageFullError):
        again.keep(correction(), "b" * 64, photo)


def test_a_folder_that_was_emptied_takes_more(tmp_path):
    """It had been counted once, and was full from then on."""
    corrections = Corrections(Settings(feedback=tmp_path / "said", feedback_max_bytes=MIB))
    names = [f"{number:064x}" for number in range(MIB // 4096 + 1)]
    for name in names[:-1]:
        corrections.keep(correction(), name, None)
    with pytest.raises(StorageFullError):
        corrections.keep(correction(), names[-1], None)
    shutil.rmtree(tmp_path / "said")
    corrections.keep(correction(), names[-1], None)
    assert files(tmp_path) == {f"said/pets/answers/{names[-1]}.json"}


def test_a_folder_that_cannot_be_written_is_told(serve_with, zoo, tmp_path):
    (tmp_path / "file").write_text("")
    answer = serve_with(feedback=tmp_path / "file").post(SELFIES, params={"label": "selfie"}, content=zoo.png())
    assert answer.status_code == 507
    assert answer.json()["error"] == "the correction cannot be kept: Not a directory"


@pytest.mark.parametrize("label", ["../../cat", "..", ".hidden", "a/b", "a\0b", "ß" * 300])
def test_no_label_leads_out_of_the_folder(zoo, tmp_path, label):
    corrections = Corrections(Settings(feedback=tmp_path / "in", feedback_photos=True))
    assert corrections.keep(correction(label), "c" * 64, zoo.png())
    [photo] = tmp_path.rglob("*.png")
    assert photo.parent.parent == tmp_path / "in/pets/photos"
    assert not photo.parent.name.startswith(".")
    assert photo.stat().st_mode & 0o077 == 0
