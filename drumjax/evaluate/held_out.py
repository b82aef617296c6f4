"""What a run is compared with: the songs of its dataset that are held out, and what counting knows of them."""

import dataclasses

import numpy as np

from drumjax.codecs.grid import GridCodec
from drumjax.data.datasets import DatasetError, load_dataset
from drumjax.data.selection import select
from drumjax.evaluate.baselines.counting import Counter, chords_of
from drumjax.evaluate.board import Prediction
from drumjax.evaluate.prediction import lines_of, predict_by_counting
from drumjax.music.grid_view import STEPS_PER_BEAT
from drumjax.music.kits import Kit
from drumjax.music.notes import Song
from drumjax.runs.run import Run


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is compared.

    kit                the drums, None for a pitched instrument
    held_out, train    songs that the codec accepts; of drums those in 4/4, which the figures are made for
    chosen, chosen_train  those of each that pass config.validation's filters; all of them if none does
    """

    run: Run
    kit: Kit | None
    source: str
    split: str
    held_out: list[Song]
    train: list[Song]
    chosen: list[Song]
    chosen_train: list[Song]

    @property
    def metre(self) -> str:
        """Which metres these songs are in, for a sentence."""
        return " in 4/4" if self.kit else ""


def compare_with(run: Run, split: str) -> Comparison:
    """Loads the run's own dataset. Raises DatasetError if it has no song in that split."""
    dataset = load_dataset(run.settings.data)
    kit = run.codec.kit
    songs = [
        song
        for song in dataset.songs
        if run.codec.accepts(song.beats_per_bar) and (kit is None or song.time_signature == (4, 4))
    ]
    held_out, train = ([song for song in songs if song.split == name] for name in (split, "train"))
    if not held_out:
        which = "song in 4/4" if kit else "song"
        raise DatasetError(f"no {which} in the {split} split of {dataset.source}; try another --split")
    try:  # among all songs, so that a name that only another split or metre has is not unknown
        passing = {id(song) for song in select(dataset.songs, **dataclasses.asdict(run.settings.validation))}
    except ValueError:  # the data are others than the run was made for
        passing = {id(song) for song in songs}
    chosen, chosen_train = ([song for song in some if id(song) in passing] for some in (held_out, train))
    return Comparison(run, kit, dataset.source, split, held_out, train, chosen or held_out, chosen_train or train)


def count_chords(comparison: Comparison) -> Counter | None:
    """What counting learns of the drums of each 16th; None of a pitched instrument, or without a training song."""
    if comparison.kit is None or not comparison.train:
        return None
    lines = [chords_of(song, comparison.kit) for song in comparison.train]
    return Counter(lines, 2**comparison.kit.num_classes, memory=True)


def count_all(
    comparison: Comparison, chords: Counter | None, groups: dict[str, np.ndarray]
) -> dict[str, dict[str, list[Prediction]]]:
    """By field what each baseline predicts, rows by group; {} for a codec that counting says nothing of."""
    codec = comparison.run.codec
    if isinstance(codec, GridCodec):
        if not chords or codec.steps_per_beat != STEPS_PER_BEAT:
            return {}
        lines = [chords_of(song, codec.kit) for song in comparison.held_out]
        return {codec.fields[0].name: predict_by_counting(chords, lines, groups, codec.fields[0].rest)}
    if not comparison.train:
        return {}
    learned, wanted = (lines_of(songs, codec) for songs in (comparison.train, comparison.held_out))
    return {
        field.name: predict_by_counting(
            Counter(learned[field.name], field.size, codec.num_positions, "repeat", 1),
            wanted[field.name], groups, field.rest,
        )
        for field in codec.fields
    }  # fmt: skip
