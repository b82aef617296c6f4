"""Few lengths, none too short."""

import pytest

from drumjax.sampling.buckets import BUCKET, padded_length


@pytest.mark.parametrize(
    ("num", "length"), [(0, 0), (1, 64), (64, 64), (65, 128), (512, 512), (513, 640), (1024, 1024), (1025, 1280)]
)
def test_known_lengths(num, length):
    assert padded_length(num) == length


def test_every_length_is_held_and_few_are_used():
    lengths = {num: padded_length(num) for num in range(1, 40_000)}
    assert all(num <= length < num + max(BUCKET, num / 4) for num, length in lengths.items())
    assert len(set(lengths.values())) < 40
