import asyncio
from base64 import b64encode
from contextlib import closing

import pytest

from models.errors import (
    DeadlineExceededError,
    ImageError,
    ImageTooLargeError,
    InvalidModelError,
    ModelNotFoundError,
    NotReadyError,
    QueueFullError,
    RequestTooLargeError,
    UndecodableImageError,
    UnsupportedImageError,
)
from models.metadata import GoldenSample
from serving.engine.observer import Observer
from serving.service import PredictionService
from serving.settings import Settings


def ask(service, *images, names=("orientation",), **options):
    return asyncio.run(service.predict(names, images, **options))


def test_one_decode_serves_several_models(service, zoo):
    answers = ask(service, zoo.png("right", (640, 480)), names=["orientation", "selfie"])
    assert {name: one.label for name, one in answers.images[0].items()} == {"orientation": "right", "selfie": "selfie"}
    assert all(seconds > 0 for seconds in answers.timing)


def test_a_large_jpeg_gets_the_same_answer(service, zoo):
    for side in zoo.sides:
        [answer] = ask(service, zoo.encode(zoo.lit(side, (1600, 1200)))).images
        assert answer["orientation"].label == side


def test_exif_is_applied_unless_told_otherwise(service, zoo):
    image = zoo.lit("left")
    exif = image.getexif()
    exif[0x0112] = 6  # a viewer turns it 90° clockwise
    data = zoo.encode(image, exif=exif)
    assert ask(service, data).images[0]["orientation"].label == "up"
    assert ask(service, data, apply_exif=False).images[0]["orientation"].label == "left"


def test_a_bad_image_stands_among_good_ones(service, zoo):
    images = [zoo.png("up"), b"no image", zoo.encode(zoo.lit(size=(300, 300)))[:-500], zoo.png("down")]
    good, unknown, truncated, last = ask(service, *images).images
    assert (good["orientation"].label, last["orientation"].label) == ("up", "down")
    assert isinstance(unknown, UnsupportedImageError)
    assert isinstance(truncated, UndecodableImageError)


def test_names_and_versions_are_those_that_are_loaded(service):
    assert service.classifier("selfie", "3").metadata.version == 3
    with pytest.raises(ModelNotFoundError, match="there are: orientation, selfie"):
        service.classifier("nope")
    with pytest.raises(ModelNotFoundError, match="version '1' of model 'selfie' is not loaded; version '3' is"):
        service.classifier("selfie", "1")


def test_only_default_models_are_asked_without_names(zoo, tmp_path):
    root = zoo.publish(tmp_path, zoo.orientation(), zoo.selfie(default=False))
    service = PredictionService.load(Settings(models=root))
    assert service.default_names == ["orientation"]
    service.close()


def test_the_latest_version_is_loaded(zoo, tmp_path):
    root = zoo.publish(tmp_path, *(zoo.orientation(version=version) for version in (1, 10, 9)))
    service = PredictionService.load(Settings(models=root))
    assert service.classifier("orientation").metadata.version == 10
    service.close()


def test_only_what_will_be_asked_is_loaded(zoo, tmp_path):
    """One that is broken is nothing to a command that asks another; a name that is not there has all of them named."""
    root = zoo.publish(tmp_path, zoo.orientation(), zoo.selfie())
    with closing(PredictionService.load(Settings(models=root), only=["orientation", "orientation"])) as service:
        assert list(service.models) == ["orientation"]
    with closing(PredictionService.load(Settings(models=root), only=["orientation", "nope"])) as service:
        assert list(service.models) == ["orientation", "selfie"]
    (root / "selfie/3/model.onnx").write_bytes(b"broken")
    with closing(PredictionService.load(Settings(models=root), only=["orientation"])) as service:
        assert list(service.models) == ["orientation"]
    with pytest.raises(InvalidModelError, match="selfie"):
        PredictionService.load(Settings(models=root))


def test_an_empty_repository_is_refused(tmp_path):
    with pytest.raises(ModelNotFoundError, match="there are no models in"):
        PredictionService.load(Settings(models=tmp_path))


def test_a_model_that_is_wrong_on_a_golden_sample_is_refused(zoo, tmp_path):
    down = GoldenSample(png=b64encode(zoo.png("down")).decode(), probabilities=(1, 0, 0, 0))
    root = zoo.publish(tmp_path, zoo.orientation(golden_samples=[down]))
    with pytest.raises(InvalidModelError, match="golden sample"):
        PredictionService.load(Settings(models=root))


def test_a_file_in_the_wrong_folder_is_refused(zoo, tmp_path):
    zoo.publish(tmp_path, zoo.orientation())
    (tmp_path / "orientation/1").rename(tmp_path / "orientation/2")
    with pytest.raises(
        InvalidModelError, match="the file of orientation version 2 says that it is orientation version 1"
    ):
        PredictionService.load(Settings(models=tmp_path))


def test_more_images_than_a_request_may_hold_are_refused(service, zoo):
    with pytest.raises(RequestTooLargeError, match="the request has 65 images; at most 64 are allowed"):
        ask(service, *[zoo.png()] * 65)


def test_a_full_house_refuses_before_it_decodes(service, zoo):
    with service.images.lease() as take:
        take(250)
        with pytest.raises(QueueFullError):
            ask(service, *[b"never looked at"] * 7)
        assert len(ask(service, *[zoo.png()] * 6).images) == 6
    assert service.images.taken == 0


def test_a_deadline_that_has_passed_skips_the_rest_and_gives_everything_back(service, zoo):
    images = [zoo.png("up", (2000, 2000))] * 40
    with pytest.raises(DeadlineExceededError, match=r"no answer within 0\.001 s"):
        ask(service, *images, timeout_s=0.001)
    assert service.images.taken == 0
    assert ask(service, zoo.png("left")).images[0]["orientation"].label == "left"


def test_what_was_dropped_is_counted(models, zoo):
    class Dropped(Observer):
        def __init__(self):
            self.images = []

        def dropped(self, model, images, reason):
            self.images.append((model, images, reason))

    dropped, photos = Dropped(), [zoo.png("up", (2000, 2000))] * 3
    service = PredictionService.load(Settings(models=models, threads=1), dropped)
    with pytest.raises(DeadlineExceededError):
        ask(service, *photos, timeout_s=0.001)

    async def leave():
        asking = asyncio.create_task(service.predict(["selfie", "orientation"], photos))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(leave())
    service.close()
    assert dropped.images == [
        ("orientation", 3, "deadline"),
        ("selfie", 3, "cancelled"),
        ("orientation", 3, "cancelled"),
    ]
    assert (service.images.taken, service.bodies.taken) == (0, 0)


def test_what_was_told_before_the_rest_was_dropped_is_counted_as_answered(models, zoo):
    """30 photos in lines, of which the client heard 23, were 30 that had been dropped."""

    class Counting(Observer):
        said, gone = 0, 0

        def predicted(self, model, version, predictions):
            self.said += len(predictions)

        def dropped(self, model, images, reason):
            self.gone += images

    counting = Counting()
    service = PredictionService.load(Settings(models=models, threads=1), counting)
    photos, told = [zoo.png(), b"no image", *[zoo.png("up", (2000, 2000))] * 6], []

    async def leave():
        enough = asyncio.Event()

        def tell(_, answer):
            told.append(answer)
            if len(told) == 3:
                enough.set()

        asking = asyncio.create_task(service.predict(["orientation"], photos, tell=tell))
        await enough.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(leave())
    service.close()
    good = [answer for answer in told if not isinstance(answer, ImageError)]
    assert (counting.said, counting.gone) == (len(good), len(photos) - len(told))


def test_decoded_pixels_take_their_share_of_the_bytes(zoo, tmp_path):
    root = zoo.publish(tmp_path, zoo.of_shape("large", height=500, width=500, channels=3))
    limits = {"max_held_bytes": 2_000_000, "max_request_bytes": 2_000_000, "max_image_bytes": 2_000_000}
    service = PredictionService.load(Settings(models=root, **limits))
    with service.bodies.lease() as take:
        take(1_000_000)
        with pytest.raises(QueueFullError):
            ask(service, *[zoo.png()] * 2, names=["large"])
        assert len(ask(service, zoo.png(), names=["large"]).images) == 1
    with pytest.raises(RequestTooLargeError, match="needs more than the 2000000 bytes"):
        ask(service, *[zoo.png()] * 3, names=["large"])
    service.close()


def test_while_it_drains_it_is_not_ready_but_answers(models, zoo):
    service = PredictionService.load(Settings(models=models))
    service.drain()
    assert not service.ready
    assert ask(service, zoo.png("left")).images[0]["orientation"].label == "left"
    service.close()


def test_limits_of_one_image_are_the_settings(models, zoo):
    service = PredictionService.load(Settings(models=models, max_image_bytes=5000, max_image_pixels=10_000))
    pixels, size = ask(service, zoo.png(size=(101, 100)), b"0" * 5001).images
    assert isinstance(pixels, ImageTooLargeError)
    assert isinstance(size, ImageTooLargeError)
    service.close()


def test_a_closed_service_answers_no_more(models, zoo):
    service = PredictionService.load(Settings(models=models))
    service.close()
    with pytest.raises(NotReadyError):
        ask(service, zoo.png())
