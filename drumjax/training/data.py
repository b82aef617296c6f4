"""The songs that a run learns from and those it is validated by."""

import collections
import dataclasses
import hashlib
import logging
import math
from typing import Any

import jax
import numpy as np

from drumjax.codecs.factory import find_vocabulary, make_codec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.config.settings import Settings
from drumjax.data.corpus import Corpus, pack
from drumjax.data.datasets import Dataset, DatasetError, load_dataset
from drumjax.data.drum_rates import measure_rates
from drumjax.data.selection import select
from drumjax.music.metre import write_metre
from drumjax.music.notes import Song

logger = logging.getLogger(__name__)

# Of the context, what older runs lack: they go on as long as their notes are the same.
_NOT_IN_FINGERPRINT = ("steadiness", "backbeat", "timekeeper", "player")


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """corpus holds the training songs; validation may be empty; styles[0] is the unknown style "", players[0] the
    unknown player.

    vocabulary is that of the training songs, None for a codec that has none.
    description says, as JSON, what the songs are and where they came from; its fingerprint changes with any note.
    """

    corpus: Corpus
    validation: list[Song]
    styles: tuple[str, ...]
    vocabulary: Vocabulary | None
    description: dict[str, Any]
    players: tuple[str, ...] = ("",)


def load_training_data(settings: Settings) -> TrainingData:
    """Reads the dataset. Raises DatasetError if there is nothing to learn from."""
    dataset = load_dataset(settings.data)
    logger.info("%s", dataset.summary())
    dataset = _keep_accepted(dataset, settings)
    songs = select(dataset.songs, split="train")
    if not songs:
        raise DatasetError(f"no training song in {dataset.source}")
    styles = ("", *sorted({song.style for song in songs} - {""}))
    players = ("", *sorted({song.drummer for song in songs} - {""}))
    corpus = pack(songs, styles, players)
    longest = float(corpus.end_beat.max())
    if settings.train.window_beats > longest:
        logger.warning(
            "config.train.window_beats is %d and the longest training song has %g beats: the rest of each window is "
            "empty; a smaller one trains faster", settings.train.window_beats, longest,
        )  # fmt: skip
    validation = _select_validation(dataset, settings)
    minutes = sum(song.num_bars * song.beats_per_bar / song.tempo_bpm for song in songs)
    description: dict[str, Any] = {
        "source": dataset.source,
        "is_fallback": dataset.is_fallback,
        "train_songs": len(songs),
        "time_signatures": sorted({write_metre(song.time_signature) for song in songs}),
        "train_minutes": round(minutes, 1),
        "validation_songs": len(validation),
        "players": list(players),
        "fingerprint": _fingerprint(corpus),
    }
    if kit := settings.codec.make_kit():
        description["drum_rates"] = measure_rates(songs, kit)
    logger.info("training on %d songs (%.0f minutes), judged by %d", len(songs), minutes, len(validation))
    vocabulary = find_vocabulary(settings.codec, songs, transpose=math.ceil(settings.augment.transpose))
    if vocabulary and not settings.codec.kit:
        _warn_of_unknown(validation, vocabulary)
    return TrainingData(corpus, validation, styles, vocabulary, description, players)


def _keep_accepted(dataset: Dataset, settings: Settings) -> Dataset:
    """Leaves out the songs whose bars the codec does not accept, and says so."""
    codec = make_codec(settings.codec)
    kept = [song for song in dataset.songs if codec.accepts(song.beats_per_bar)]
    left_out = collections.Counter(write_metre(s.time_signature) for s in dataset.songs) - collections.Counter(
        write_metre(s.time_signature) for s in kept
    )
    for metre, count in sorted(left_out.items()):
        logger.warning("skipped %d songs in %s: such bars do not fit the codec's steps", count, metre)
    return dataclasses.replace(dataset, songs=kept)


def _warn_of_unknown(songs: list[Song], vocabulary: Vocabulary) -> None:
    """Says how many held-out notes cannot be encoded, and so do not count."""
    pitches = np.concatenate([song.notes.pitch for song in songs]) if songs else np.zeros(0, int)
    unknown = int((~np.isin(pitches, vocabulary.pitches)).sum())
    if unknown:
        logger.warning(
            "%d of %d held-out notes have pitches that no training song has: they are not judged", unknown, len(pitches)
        )


def _select_validation(dataset: Dataset, settings: Settings) -> list[Song]:
    songs = select(dataset.songs, split="validation")
    if not songs:
        logger.warning(
            "no validation song in %s: nothing judges this run; its newest checkpoint counts", dataset.source
        )
        return []
    # Of songs that the config was not written for: held out is what there is.
    is_other = dataset.is_fallback or settings.data.dataset == "folder"
    try:
        chosen = select(songs, **dataclasses.asdict(settings.validation))
    except ValueError as error:
        if not is_other:
            raise DatasetError(f"config.validation: {error}") from error
        chosen = []
    if not chosen and not is_other:
        raise DatasetError("no validation song passes the filters of config.validation together")
    if not chosen:
        logger.warning("no held-out song passes the filters of config.validation: all of them judge this run")
    return chosen or songs


def _fingerprint(corpus: Corpus) -> str:
    digest = hashlib.sha256()
    said = [column for name, column in corpus.context._asdict().items() if name not in _NOT_IN_FINGERPRINT]
    for leaf in jax.tree.leaves((corpus.notes, said, corpus[2:])):
        digest.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]
