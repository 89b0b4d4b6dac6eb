import tracemalloc

import pytest

from serving.scoring.lines import Entry, Told
from serving.scoring.names import Names


def test_names_are_a_set_of_any_bytes():
    names = Names()
    assert "a" not in names
    assert [names.add(name) for name in ("a", "caf\udce9", "a", "")] == [True, True, False, True]
    assert [name in names for name in ("a", "caf\udce9", "", "b")] == [True, True, True, False]
    assert len(names) == 3


def test_what_a_file_tells_takes_no_memory_of_ours():
    """A table of a hundred million names could be gone on with; kept as text, 20,000 take 3 MB."""
    entries = (Entry(f"{number:090}", frozenset(["orientation"]), False) for number in range(20_000))
    tracemalloc.start()
    try:
        told = Told.by(entries)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**18
    assert len(told.answered) == 20_000
    assert f"{19_999:090}" in told.answered


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_that_was_answered_has_not_failed(order):
    told = Told.by([Entry("a", frozenset(), True), Entry("a", frozenset(["m"]), False)][::order])
    told.note([Entry("b", frozenset(), True)])
    assert [name in told.failures(["a", "b", "c"]) for name in ("a", "b", "c")] == [False, True, False]
    assert len(told.failures(["a", "c"])) == 0
    assert [told.holds(name) for name in ("a", "b", "c")] == [True, True, False]
