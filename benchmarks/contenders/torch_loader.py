"""PyTorch end to end: the processes of a DataLoader cut and encode windows in numpy, and nn.LSTM is trained on them."""

import functools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.contender import Contender, Figures, Repeat
from benchmarks.contenders.numpy_augment import Music, augment
from benchmarks.contenders.torch_lstm import IGNORED, START, TORCH_DEVICE, Trainer, set_threads, used, wait
from benchmarks.songs import training_songs
from drumjax.music.kits import get_kit
from drumjax.music.notes import Song

STEPS_PER_BEAT = 4
PREFETCH = 2  # batches that each process of the DataLoader keeps ready: its default


class WindowDataset(Dataset):
    """Random windows: a song chosen with odds by its length, and a uniform start on one of its beats."""

    def __init__(self, songs: list[Song], length: int, strength: dict[str, float]):
        self.songs, self.length, self.strength = songs, length, strength
        self.kit = get_kit("roland_td11")
        self.num_beats = np.asarray([int(np.ceil(song.num_bars * song.beats_per_bar)) for song in songs])
        self.odds = np.cumsum(self.num_beats) / self.num_beats.sum()
        self.drum_of_pitch = self.kit.class_table()
        self.rng: np.random.Generator | None = None

    def __len__(self) -> int:
        return 2**30  # windows are drawn, not counted

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets [T] of one window; `index` says nothing."""
        self.rng = self.rng or np.random.default_rng(torch.initial_seed())  # each process has its own seed
        number = int(np.searchsorted(self.odds, self.rng.random(), side="right"))
        room = max(0, self.num_beats[number] - self.length // STEPS_PER_BEAT)
        song, start = self.songs[number], int(self.rng.integers(room + 1))
        onset, pitch, velocity = self.cut(song, start)
        length = min(self.length / STEPS_PER_BEAT, float(self.num_beats[number] - start))
        if self.strength:
            music = Music(onset, pitch, velocity, song.tempo_bpm, song.beats_per_bar, length)
            music = augment(self.rng, music, self.strength, self.kit)
            onset, pitch, length = music.onset, music.pitch, music.num_beats
        chords = self.encode(onset, pitch)
        inside = min(self.length, round(length * STEPS_PER_BEAT))
        targets = np.where(np.arange(self.length) < inside, chords, IGNORED)
        return np.concatenate([[START], chords[:-1]]), targets

    def cut(self, song: Song, start_beat: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Onsets in beats from the window's start, pitches and velocities."""
        half_step = 0.5 / STEPS_PER_BEAT  # a hit this early counts for the first step
        limits = start_beat - half_step, start_beat + self.length / STEPS_PER_BEAT - half_step
        first, last = np.searchsorted(song.notes.onset_beat, limits, side="left")
        onset, _, pitch, velocity, _ = map(np.asarray, song.notes)
        return onset[first:last] - start_beat, pitch[first:last], velocity[first:last]

    def encode(self, onset: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        """The chord of each step [T]: a bit per drum that is hit."""
        step = np.floor(onset * STEPS_PER_BEAT + 0.5).astype(np.int64)
        drum = self.drum_of_pitch[pitch]
        usable = (drum >= 0) & (step >= 0) & (step < self.length)
        chords = np.zeros(self.length, np.int64)
        np.bitwise_or.at(chords, step[usable], np.int64(1) << drum[usable])
        return chords


def endless(loader: DataLoader) -> Iterator:
    while True:
        yield from loader


def train(
    threads_wanted: int,
    dataset: str,
    hidden: int,
    batch: int,
    length: int,
    steps: int,
    strength: dict[str, float] | None = None,
    device: str = "cpu",
) -> Contender:
    """Steps of training on windows of songs, augmented as far as `strength` says; seconds per step."""
    set_threads(threads_wanted)
    songs = training_songs(dataset)

    def make(num_workers: int) -> Repeat:
        trainer = Trainer(hidden, device)
        some: dict[str, Any] = {"persistent_workers": True, "prefetch_factor": PREFETCH} if num_workers else {}
        some["pin_memory"] = device == "gpu"
        batches = endless(
            DataLoader(WindowDataset(songs, length, strength or {}), batch, num_workers=num_workers, **some)
        )

        def train_steps(count: int) -> None:
            for _ in range(count):
                inputs, targets = (x.to(TORCH_DEVICE[device], non_blocking=True) for x in next(batches))
                trainer.step(inputs.T.contiguous(), targets.T.contiguous())

        def repeat() -> Figures:
            # Batches that were made ready while others were being timed are used up first.
            train_steps(num_workers * PREFETCH)
            wait(device)
            start = time.perf_counter()
            train_steps(steps)
            wait(device)
            return {"seconds": (time.perf_counter() - start) / steps}

        return repeat

    # On few cores the processes of the DataLoader take time from training; no process at all may be the better choice.
    numbers = sorted({threads_wanted, 1, 0}, reverse=True)
    modes = {f"num_workers={number}": functools.partial(make, number) for number in numbers}
    return Contender(modes, used(device))
