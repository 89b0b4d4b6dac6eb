import json
import threading
from random import Random

import pytest

from models.errors import InvalidModelError, RequestError
from serving.versions.labels import Labels

CANARY = b'{"stable": 1, "canary": {"version": 2, "share": 0.05}, "shadow": 3}'


def test_a_number_is_a_version_without_a_share():
    labels = Labels.parse(CANARY)
    assert labels.versions == {1, 2, 3}
    assert [labels.version(name) for name in ("stable", "canary", "shadow", "nope")] == [1, 2, 3, None]
    assert json.loads(labels.model_dump_json()) == {
        "stable": {"version": 1},
        "canary": {"version": 2, "share": 0.05},
        "shadow": {"version": 3},
    }
    assert Labels.parse(labels.model_dump_json().encode()) == labels


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"[]", "the labels are wrong at document"),
        (b"{", "the document of labels is no JSON: EOF"),
        (b'{"stable": 0}', "the labels are wrong at stable.version"),
        (b'{"stable": true}', "the labels are wrong at stable"),
        (b'{"stable": "1"}', "the labels are wrong at stable: must be a version such as 2, or an object such as"),
        (b'{"canary": {"version": 1, "share": 1.5}}', "the labels are wrong at canary.share"),
        (b'{"canary": {"version": 1, "part": 1}}', "the labels are wrong at canary.part"),
        (b'{"Not A Name": 1}', "the labels are wrong at Not A Name: must be 1 to 64 small letters"),
        (json.dumps({f"a{n}": 0 for n in range(101)}).encode(), "there are more than the 100 labels that are allowed"),
        (b'{"stable": {"version": 1, "share": 0.5}}', "stable and shadow have no share"),
        (b'{"a": {"version": 1, "share": 0.6}, "b": {"version": 2, "share": 0.5}}', "add up to more than 1"),
    ],
)
def test_a_wrong_document_is_one_sentence(document, sentence):
    with pytest.raises(RequestError, match=sentence) as caught:
        Labels.parse(document)
    assert "\n" not in str(caught.value)


def test_shares_are_kept_over_many_calls():
    """Within four standard deviations of the binomial distribution; the seed makes it the same each time."""
    labels = Labels.parse(b'{"stable": 1, "a": {"version": 2, "share": 0.05}, "b": {"version": 3, "share": 0.2}}')
    random, calls = Random(7), 20_000
    drawn = [labels.draw(random.random()) for _ in range(calls)]
    for version, share in ((2, 0.05), (3, 0.2), (None, 0.75)):
        assert abs(drawn.count(version) - calls * share) < 4 * (calls * share * (1 - share)) ** 0.5


def test_shares_that_fill_the_whole_leave_nothing():
    tenths = {f"l{number}": {"version": number + 1, "share": 0.1} for number in range(10)}
    labels = Labels.parse(json.dumps(tenths).encode())
    assert labels.draw(0.95) == 10
    assert labels.draw(0.0) == 1


def test_without_a_file_there_are_no_labels(tmp_path):
    assert Labels.read(tmp_path) == Labels()


def test_a_broken_file_is_told(tmp_path):
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(InvalidModelError, match=r"labels.json cannot be used: the document of labels is no JSON"):
        Labels.read(tmp_path)


def test_a_file_without_an_end_is_told(tmp_path):
    (tmp_path / "labels.json").symlink_to("/dev/zero")
    with pytest.raises(InvalidModelError, match=r"labels\.json cannot be used: it has more than the 65536 bytes"):
        Labels.read(tmp_path)


def test_readers_never_see_a_half_written_file(tmp_path):
    long = {f"label-{number}": {"version": number + 1} for number in range(100)}
    documents = [Labels.parse(json.dumps(labels).encode()) for labels in ({"stable": 1}, long)]
    documents[0].write(tmp_path)
    done = threading.Event()

    def write() -> None:
        for number in range(200):
            documents[number % 2].write(tmp_path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert Labels.read(tmp_path) in documents
    writer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["labels.json"]
