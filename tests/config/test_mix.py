"""Mixes: who has which name."""

import collections

import pytest

from drumjax.config.mix import is_mix, pick, read_mix

KNOWN = ("", "hi-hat", "ride")


def test_names_and_weights():
    assert read_mix("hi-hat=2, ride") == {"hi-hat": 2.0, "ride": 1.0}
    assert read_mix("ride") == {"ride": 1.0}
    assert read_mix("") == {"": 1.0}


@pytest.mark.parametrize("text", ["hi-hat=2,ride=1", "ride", "", "ride=0.1"])
def test_what_is_a_mix(text):
    assert is_mix(text, KNOWN)


@pytest.mark.parametrize("text", ["hi-hat=0", "hi-hat=-1,ride=2", "hi-hat=x", "hi-hat=nan", "bell=1", "hi-hat=inf"])
def test_what_is_none(text):
    assert not is_mix(text, KNOWN)


@pytest.mark.parametrize("first", [0, 7, 1000])
def test_each_comes_up_by_its_weight_wherever_one_begins(first):
    count = collections.Counter(pick("hi-hat=2,ride=1", number) for number in range(first, first + 30))
    assert abs(count["hi-hat"] - 20) <= 1
    assert count["hi-hat"] + count["ride"] == 30


def test_a_single_name_is_everybodys():
    assert {pick("ride", number) for number in range(10)} == {"ride"}
    assert pick("", 3) == ""
