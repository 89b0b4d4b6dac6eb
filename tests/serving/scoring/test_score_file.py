"""What is there before scores are written: ours is gone on with, a person's is not touched."""

import stat

import pytest

from models.errors import RequestError, UndecodableImageError
from serving.engine.classifier import Prediction
from serving.scoring.score import COLUMNS, Score
from serving.scoring.score_file import open_scores

MODELS = ("orientation",)
HEADER = ",".join(COLUMNS)


def answered(name: str) -> Score:
    said = Prediction("up", 0.9, certain=True, probabilities={"up": 0.9, "down": 0.1}, attributes={})
    return Score(name, {"orientation": said}, {"orientation": "1"})


def failed(name: str) -> Score:
    return Score(name, UndecodableImageError("it is broken"), {})


def keep(path, *scores: Score) -> int:
    """How many were there before."""
    with open_scores(path, MODELS) as kept:
        for score in scores:
            kept.write(score)
        return len(kept.told.answered)


@pytest.mark.parametrize(
    "content",
    [
        "one line without an end",
        "name,rating",
        "name,rating\n",
        "name,rating\na.jpg,5",
        f"{HEADER},rating\n",
        f"{HEADER},rating",
        f"{HEADER}\na.jpg,5\n",
        f"{HEADER}\n{'x,' * 20}\n",
        '{"file": "a.jpg", "rating": 5}',
        '{"file": "a.jpg", "rating": 5}\n',
        '{"file": "a.jpg", "rating": 5}\n{"file": "b.jpg", "ra',
        '{"rating": 5, "file": "a.j',
        "[1, 2]\n",
        "\n",
        "\0" * 100,
        "\ufeff",
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_person_s_file_stays_as_it_is_to_its_last_byte(tmp_path, content, suffix):
    path = tmp_path / f"notes{suffix}"
    path.write_text(content, encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(RequestError, match="holds something else than scores"):
        keep(path, answered("a.jpg"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_file_that_was_cut_off_anywhere_is_gone_on_with(tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"
    scores = answered("a.jpg"), failed("b.jpg"), answered("c.jpg")
    keep(path, *scores)
    whole = path.read_bytes()
    ends = [0, *(place + 1 for place, byte in enumerate(whole) if byte == ord("\n"))]
    for cut in range(len(whole)):
        if suffix == ".jsonl" and cut + 1 == ends[1]:
            continue  # one line of JSON that lacks its end alone may be anybody's
        path.write_bytes(whole[:cut])
        keep(path)
        assert path.read_bytes() == whole[: max(end for end in ends if end <= cut)]
    path.write_bytes(whole[:-5])
    assert keep(path, scores[-1]) == 1
    assert path.read_bytes() == whole


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_names_with_ends_of_lines_are_kept(tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"
    names = ["a\rb.jpg", "a\nb.jpg", "\r", "a\r\nb.jpg", 'a",\r.jpg']
    keep(path, *map(answered, names))
    with open_scores(path, MODELS) as kept:
        assert [name in kept.told.answered for name in names] == [True] * len(names)
        assert len(kept.told.answered) == len(names)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_whoever_may_read_it_may_read_it_afterwards_and_nobody_else(tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"
    keep(path, failed("a.jpg"))
    path.chmod(0o600)
    with open_scores(path, MODELS) as kept:
        kept.forget_failures(["a.jpg"])
        kept.write(answered("a.jpg"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_two_runs_do_not_write_into_one_file(tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"
    keep(path, failed("a.jpg"))
    with open_scores(path, MODELS) as kept:
        refused = pytest.raises(RequestError, match=r"another loupe predict writes into .*scores")
        with refused:
            keep(path, answered("b.jpg"))
        kept.forget_failures(["a.jpg"])  # which puts a new file in its place
        kept.write(answered("a.jpg"))
        with refused:
            keep(path, answered("b.jpg"))
        kept.write(answered("c.jpg"))
    assert keep(path) == 2


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_full_disk_is_told_with_the_file_s_name(tmp_path, full_disk, suffix):
    path = tmp_path / f"scores{suffix}"
    told = rf"scores{suffix}.* cannot be written: File too large$"
    with pytest.raises(RequestError, match=told), full_disk(500):
        keep(path, *(answered(f"{number}.jpg") for number in range(10)))
    before = keep(path)
    assert 0 < before < 10
    assert keep(path, answered("9.jpg")) == before
    assert keep(path) == before + 1
