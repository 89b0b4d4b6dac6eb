from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.photos.near_duplicates import MAX_DISTANCE, connected_groups, near_pairs

# Few bits set, so that many pairs are near and many are not.
hashes = st.lists(st.sets(st.integers(0, 63), max_size=6).map(lambda bits: sum(1 << bit for bit in bits)), max_size=12)


@given(hashes, st.integers(0, 12))
def test_pairs_are_those_that_counting_bits_one_by_one_finds(numbers, distance):
    pairs = near_pairs([f"{number:016x}" for number in numbers], distance)
    expected = {
        (i, j)
        for (i, one), (j, other) in combinations(enumerate(numbers), 2)
        if bin(one ^ other).count("1") <= distance
    }
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    assert len(pairs) == len(expected)


def test_pairs_are_found_across_blocks():
    """More hashes than one block of 1,024 holds; random ones lie about 32 bits apart."""
    rng = np.random.default_rng(1)
    numbers = [int(number) for number in rng.integers(0, 2**63, 3000, dtype=np.uint64)]
    numbers[2900] = numbers[5] ^ 0b10101  # three bits
    numbers[1500] = numbers[1400] ^ (2**63 + 2**40 + 7)  # five
    numbers[100] = numbers[99] ^ 0b111111  # six: too many
    pairs = near_pairs([f"{number:016x}" for number in numbers])
    assert MAX_DISTANCE == 5
    assert sorted(map(tuple, pairs.tolist())) == [(5, 2900), (1400, 1500)]


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_a_group_is_what_a_chain_of_pairs_reaches(drawn):
    count, pairs = drawn
    reached = [{index} for index in range(count)]
    for one, other in pairs:
        union = reached[one] | reached[other]
        for index in union:
            reached[index] = union
    numbers = connected_groups(count, pairs)
    for index in range(count):
        assert set(np.flatnonzero(numbers == numbers[index]).tolist()) == reached[index]
