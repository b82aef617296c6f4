"""The public functions: a trained model in Python. Every control of run_sample.py is a keyword of the same name."""

import inspect
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from drumjax.config.controls import CONTROLS, Controls
from drumjax.config.load import load_config
from drumjax.config.settings import Settings, make_settings
from drumjax.data import datasets
from drumjax.data.datasets import Dataset
from drumjax.jobs.job import Job, write_samples
from drumjax.models.song_scoring import encode_songs, make_song_scorer
from drumjax.music.drum_maps import read_map
from drumjax.music.kits import ROLAND_TD11, Kit
from drumjax.music.notes import Song
from drumjax.report.shown import Shown
from drumjax.runs.run import Run, load_run
from drumjax.sampling.blocks import sample_songs
from drumjax.sampling.edits import need_kit
from drumjax.sampling.plan import EditRequest, Music, Plan, make_plan
from drumjax.sampling.redraw import describe_redraws
from drumjax.system.errors import UserError
from drumjax.system.files import user_path

logger = logging.getLogger(__name__)

Method = TypeVar("Method", bound=Callable[..., Any])


def takes_controls(method: Method) -> Method:
    """Gives a method whose last parameter is **controls the signature and the documentation of all controls."""
    signature = inspect.signature(method)
    *fixed, _ = signature.parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    hints = inspect.get_annotations(Controls)
    more = [inspect.Parameter(name, keyword, default=None, annotation=hints[name]) for name in CONTROLS]
    method.__signature__ = signature.replace(parameters=[*fixed, *more])  # type: ignore[attr-defined]
    lines = "\n".join(f"      {name}: {control.help}" for name, control in CONTROLS.items())
    method.__doc__ = (
        f"{inspect.cleandoc(method.__doc__ or '')}\n\nControls; None is as the run's settings say:\n{lines}\n"
    )
    return method


class TrainedModel:
    """A trained model, read from a run's checkpoint: made by `drumjax.load`.

    styles    the styles it was trained on
    players   the drummers it was trained on, by the names that the data give them
    settings  all settings of its training; settings.sample is what is played unless it is asked for otherwise
    step      train steps behind its weights
    """

    def __init__(self, run: Run):
        self.run = run

    @property
    def styles(self) -> tuple[str, ...]:
        return tuple(style for style in self.run.styles if style)

    @property
    def players(self) -> tuple[str, ...]:
        return tuple(player for player in self.run.players if player)

    @property
    def settings(self) -> Settings:
        return self.run.settings

    @property
    def step(self) -> int:
        return self.run.step

    def __repr__(self) -> str:
        what = "drums" if self.run.codec.kit else "a pitched instrument"
        return f"<TrainedModel of {what}, step {self.step}, styles: {', '.join(self.styles) or 'none'}>"

    @takes_controls
    def sample(self, n: int = 1, *, seed: int = 0, **controls: Any) -> list[Song]:
        """Plays n pieces. Piece i depends on the seed and i alone, and is that of run_sample.py.

        Raises UserError for what this model cannot play.
        """
        return _take(make_plan(self.run, seed=seed, **controls), n)

    @takes_controls
    def stream(self, n: int | None = None, *, seed: int = 0, **controls: Any) -> Iterator[Song]:
        """Plays pieces without end, or n of them, one at a time: the same ones as `sample`, a block of them ahead.

        Raises UserError, at once, for what this model cannot play.
        """
        plan = make_plan(self.run, seed=seed, **controls)
        return (sample.song for sample in sample_songs(plan, _ENDLESS if n is None else n))

    @takes_controls
    def write(
        self,
        out_dir: str | Path,
        n: int = 16,
        *,
        seed: int = 0,
        overwrite: bool = False,
        out_kit: str = "",
        **controls: Any,
    ) -> int:
        """Writes n pieces as MIDI files, and manifest.jsonl, to a folder, as run_sample.py does. Returns how many are
        new.

        The same call again goes on where it was interrupted. out_kit is whose pitches are written: general_midi,
        roland_td11, addictive_drums_2 or a .json file. Raises UserError or OSError.
        """
        out_map = read_map(out_kit, need_kit(self.run.codec).names) if out_kit else None
        job = Job(make_plan(self.run, seed=seed, **controls), n, out_map)
        return write_samples(job, user_path(out_dir), overwrite=overwrite)

    @takes_controls
    def continue_song(
        self,
        song: Music,
        n: int = 1,
        *,
        include_prompt: bool = True,
        kit: str = "",
        instrument: str = "",
        seed: int = 0,
        **controls: Any,
    ) -> list[Song]:
        """Goes on from a song, a file's path or "random" (four bars of a held-out song): n continuations.

        bars counts the song's own, too; without include_prompt only what follows them is returned. Here and below, kit
        says which pitch is which drum (as drum_maps.read_map has it), and instrument which notes of a file are taken
        (as read_midi has it); "" is as the model's own data were read.
        """
        request = EditRequest(prompt=song, include_prompt=include_prompt, kit=kit, instrument=instrument)
        return self._edit(request, n, seed, controls)

    @takes_controls
    def humanize(
        self, song: Music, n: int = 1, *, kit: str = "", instrument: str = "", seed: int = 0, **controls: Any
    ) -> list[Song]:
        """n performances of a song or file: every hit stays, velocity and timing are played."""
        return self._edit(EditRequest(humanize=song, kit=kit, instrument=instrument), n, seed, controls)

    @takes_controls
    def add_drums(
        self,
        song: Music,
        drums: Sequence[str],
        n: int = 1,
        *,
        kit: str = "",
        instrument: str = "",
        seed: int = 0,
        **controls: Any,
    ) -> list[Song]:
        """n versions of a song or file with these drums, such as ("hihat", "ride"), played beside what is there."""
        chosen = (drums,) if isinstance(drums, str) else tuple(drums)
        return self._edit(EditRequest(add=chosen, to=song, kit=kit, instrument=instrument), n, seed, controls)

    @takes_controls
    def vary(
        self,
        song: Music,
        n: int = 1,
        *,
        amount: float = 0.3,
        kit: str = "",
        instrument: str = "",
        seed: int = 0,
        **controls: Any,
    ) -> list[Song]:
        """n variations of a song or file: every drum at every step is chosen anew with the odds `amount`, 0..1."""
        return self._edit(EditRequest(vary=song, amount=amount, kit=kit, instrument=instrument), n, seed, controls)

    @takes_controls
    def infill(
        self,
        song: Music,
        span: str,
        n: int = 1,
        *,
        draws: int = 8,
        kit: str = "",
        instrument: str = "",
        seed: int = 0,
        **controls: Any,
    ) -> list[Song]:
        """n versions of a song or file with a span of bars, such as "5-6" (counted from 1), written anew to fit what
        follows them: each is the best of so many draws."""
        return self._edit(
            EditRequest(infill=span, to=song, draws=draws, kit=kit, instrument=instrument), n, seed, controls
        )

    def score(self, songs: Sequence[Song]) -> list[dict[str, float]]:
        """How well the model foresees each song: by field, nats per variable that exists (hits: per 16th; velocity and
        offset: per hit), state carried from the first bar to the end of the last.

        Raises UserError for a song whose bars do not fit the model's steps.
        """
        for song in songs:
            if not self.run.codec.accepts(song.beats_per_bar):
                raise UserError(f"{song.name or 'a song'}: its bars do not fit the steps of this model")
        batches = encode_songs(songs, self.run.codec, self.run.styles)
        scores = make_song_scorer(self.run.model, self.run.codec)(self.run.weights, batches)
        names = [field.name for field in self.run.codec.fields]
        return [
            {name: float(score.nll[i] / max(score.count[i], 1)) for name, score in zip(names, scores, strict=True)}
            for i in range(len(songs))
        ]

    def _edit(self, request: EditRequest, n: int, seed: int, controls: dict[str, Any]) -> list[Song]:
        return _take(make_plan(self.run, request, seed=seed, **controls), n)


# As many samples as a job can have.
_ENDLESS = 10_000_000


def _take(plan: Plan, n: int) -> list[Song]:
    samples = list(itertools.islice(sample_songs(plan, n), n))
    for line in describe_redraws([sample.redrawn for sample in samples], [sample.lacks for sample in samples]):
        logger.warning("%s", line)
    return [sample.song for sample in samples]


def load(workdir: str | Path, checkpoint: Literal["best", "latest"] = "best") -> TrainedModel:
    """The trained model of a run directory such as "runs/rock", of a model file such as "mine.safetensors", or of one
    that comes with drumjax, "rock" or "piano"; nothing there is changed.

    checkpoint is that of a run: "best" by validation, or "latest". Raises UserError if there is none, or it cannot be
    read.
    """
    return TrainedModel(load_run(workdir, checkpoint))


def load_dataset(config: str | dict[str, Any] = "default", **data: Any) -> Dataset:
    """The songs that a config asks for, in all splits: its `songs`, `source`, and what was `skipped` and why.

    Args:
      config: a nested dict, the path of a config file, or a name in configs/ such as "rock".
      **data: fields of config.data in place of the config's, such as dataset="folder", dir="~/midi".

    Raises:
      UserError: no usable song, a folder that is not there, or an unknown field.
    """
    values = config if isinstance(config, dict) else load_config(config)
    return datasets.load_dataset(make_settings({**values, "data": {**values["data"], **data}}).data)


def show(songs: Song | Sequence[Song], kit: Kit = ROLAND_TD11) -> Shown:
    """A picture and a player of one or more songs, as the value of a notebook cell; `kit` names the drums."""
    some = [songs] if isinstance(songs, Song) else list(songs)
    return Shown(some, kit if all(song.is_drums for song in some) else None)
