"""Drum maps: partitions of the pitches, and what is written for each drum."""

import numpy as np
import pytest

from drumjax.music.kits import GENERAL_MIDI, KITS, ONE_DRUM, ROLAND_TD11, KitError, get_kit

GM_PERCUSSION = range(35, 82)  # General MIDI level 1


@pytest.mark.parametrize("kit", KITS.values(), ids=KITS.keys())
def test_classes_partition_the_pitches(kit):
    pitches = [pitch for group in kit.pitches for pitch in group]
    assert len(pitches) == len(set(pitches))
    assert all(0 <= pitch <= 127 for pitch in pitches)
    assert len(kit.names) == len(kit.symbols) == len(kit.pitches) == len(kit.write) == kit.num_classes
    assert len(set(kit.names)) == len(set(kit.symbols)) == kit.num_classes


@pytest.mark.parametrize("kit", KITS.values(), ids=KITS.keys())
def test_tables_say_what_the_kit_says(kit):
    table = kit.class_table()
    assert table.shape == (128,)
    for pitch in range(128):
        classes = [k for k, pitches in enumerate(kit.pitches) if pitch in pitches]
        assert table[pitch] == (classes[0] if classes else -1)
    # What is written for a drum is read as that drum again.
    np.testing.assert_array_equal(table[kit.pitch_table()], np.arange(kit.num_classes))


@pytest.mark.parametrize("kit", KITS.values(), ids=KITS.keys())
def test_written_pitches_are_general_midi_percussion(kit):
    assert set(kit.write) <= set(GM_PERCUSSION)
    assert len(set(kit.write)) == kit.num_classes


def test_roland_map_is_that_of_the_dataset_paper():
    """Gillick et al. 2019, Table 5, in the order of the bits of a `hits` token."""
    names = "kick, snare, closed hi-hat, open hi-hat, low tom, mid tom, high tom, crash, ride"
    assert ROLAND_TD11.names == tuple(names.split(", "))
    expected = [{36}, {38, 40, 37}, {42, 22, 44}, {46, 26}, {43, 58}, {47, 45}, {50, 48}, {49, 52, 55, 57}]
    assert [set(pitches) for pitches in ROLAND_TD11.pitches] == [*expected, {51, 53, 59}]
    assert ROLAND_TD11.write == (36, 38, 42, 46, 43, 47, 50, 49, 51)


def test_general_midi_map_differs_where_the_maps_are_known_to_differ():
    table = {pitch: GENERAL_MIDI.names[k] for pitch, k in enumerate(GENERAL_MIDI.class_table()) if k >= 0}
    assert table[48] == "mid tom"
    assert table[45] == "low tom"
    assert table[58] == "crash"
    assert set(GM_PERCUSSION) <= set(table)


def test_one_drum_takes_every_pitch():
    assert (ONE_DRUM.class_table() == 0).all()


def test_unknown_kit_is_refused_with_the_known_ones():
    with pytest.raises(KitError, match=r"unknown kit 'roland'; there are: .*roland_td11"):
        get_kit("roland")
