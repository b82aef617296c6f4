"""Where songs come from: the Groove MIDI Dataset, any folder of MIDI files, or the bundled starter grooves."""

import collections
import dataclasses
import logging
from pathlib import Path

import platformdirs

from drumjax.config.data import DataSettings
from drumjax.data.groove_midi import GROOVE_NAME, find_groove, read_info, shared_folder
from drumjax.data.midi_folder import SUFFIXES, assign_splits, find_midi_files, shown
from drumjax.data.selection import select
from drumjax.data.song_reader import SongFile, Take, read_songs
from drumjax.data.starter import starter_songs
from drumjax.music.notes import Song
from drumjax.system.command_name import command_name
from drumjax.system.download import DownloadError
from drumjax.system.errors import UserError
from drumjax.system.files import file_name, user_path

logger = logging.getLogger(__name__)

_NUM_EXAMPLES = 3  # names shown per reason


class DatasetError(UserError):
    """There are no songs to be had; the message says what, where and what to do."""


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Songs, and where they really came from.

    source   for people: which dataset, where, and why if it is not the one that was asked for
    skipped  names of the files that gave no song, by reason
    is_fallback  these are the starter grooves, in place of a dataset that could not be had
    notices  what was read otherwise than it is written, by reason: how often in which file
    """

    songs: list[Song]
    source: str
    skipped: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    is_fallback: bool = False
    notices: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)

    def summary(self) -> str:
        """A few lines: songs per split, source, and what was skipped, by reason, with count and examples."""
        splits = collections.Counter(song.split or "no split" for song in self.songs)
        counts = ", ".join(f"{count} {split}" for split, count in sorted(splits.items()))
        lines = [f"{len(self.songs)} songs ({counts}) from {self.source}"]
        lines += [f"  skipped {line}" for line in _describe(self.skipped)]
        if self.notices:
            files = len(set().union(*self.notices.values()))
            lines.append(
                f"  {files} files were read otherwise than they are written: {command_name('explore')} lists it"
            )
        return "\n".join(lines)


def load_dataset(settings: DataSettings, *, cache_dir: Path | None = None, num_workers: int | None = None) -> Dataset:
    """The songs that `settings` ask for, in all splits.

    Args:
      settings: which dataset, and which of its songs.
      cache_dir: where downloads and parsed songs are kept; default the user's cache folder.
      num_workers: processes that parse MIDI files; default one per CPU core.

    Raises:
      DatasetError: no usable song, a folder that is not there, or an unknown style, drummer or time signature.
    """
    cache_dir = user_path(cache_dir or platformdirs.user_cache_dir("drumjax"))
    try:
        if settings.dataset == "starter":
            dataset = Dataset(starter_songs(settings.seed), "starter grooves (synthetic)")
        elif settings.dataset == "folder":
            dataset = _load_folder(settings, cache_dir, num_workers)
        else:
            dataset = _load_groove(settings, cache_dir, num_workers)
    except DownloadError as error:
        if not settings.fallback:
            raise DatasetError(f"{GROOVE_NAME}: {error}, or set config.data.dir to a copy of it") from error
        return _load_fallback(settings, error)
    try:
        songs = _select(dataset.songs, settings)
    except ValueError as error:
        raise DatasetError(f"{dataset.source}: {error}") from error
    if not songs:
        raise DatasetError(f"none of the {len(dataset.songs)} songs from {dataset.source} passes the filters together")
    return dataclasses.replace(dataset, songs=songs)


def _load_groove(settings: DataSettings, cache_dir: Path, num_workers: int | None) -> Dataset:
    try:
        directory = find_groove(settings.dir, cache_dir)
        rows, skipped = read_info(directory)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    files, present = [], []
    for row in rows:
        try:
            path = directory / file_name(row.name)
            status = path.stat()
        except OSError:  # copies without some files, or without a whole split, are common
            skipped.setdefault("file listed but absent", []).append(row.name)
            continue
        files.append(SongFile(row.name, str(path), f"{status.st_size}:{status.st_mtime_ns}"))
        present.append(row)
    results = read_songs(
        files, kind="groove", take=_take(settings), cache_dir=cache_dir / "songs", num_workers=num_workers
    )
    songs = []
    for row, result in zip(present, results, strict=True):
        if isinstance(result, str):
            skipped.setdefault(result, []).append(row.name)
        else:
            songs += [dataclasses.replace(song, **row._asdict()) for song in result]
    return _make_dataset(songs, f"{GROOVE_NAME} in {shown(directory)}", skipped)


def _load_fallback(settings: DataSettings, error: DownloadError) -> Dataset:
    source = f"starter grooves (synthetic), because the {GROOVE_NAME} could not be had: {error}"
    logger.warning("NOT THE %s: training data are the bundled starter grooves. %s", GROOVE_NAME, error)
    songs = starter_songs(settings.seed)
    try:
        selected = _select(songs, settings)
    except ValueError:  # a style they do not have
        selected = []
    if not selected:
        logger.warning("the starter grooves have none of the styles or drummers asked for; using all of them")
        source += " (filters not applied)"
    return Dataset(selected or songs, source, is_fallback=True)


def _load_folder(settings: DataSettings, cache_dir: Path, num_workers: int | None) -> Dataset:
    if not settings.dir:
        raise DatasetError('config.data.dataset is "folder": set config.data.dir to a folder of MIDI files')
    directory = _find_folder(settings.dir)
    try:
        files, skipped = find_midi_files(directory)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    if not files and not skipped:
        kinds = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        raise DatasetError(f"{shown(directory)} holds no file of {kinds}; set config.data.dir to a folder that does")
    results = read_songs(
        files,
        kind="folder",
        take=_take(settings)._replace(cut=True),
        cache_dir=cache_dir / "songs",
        num_workers=num_workers,
    )
    songs, hashes = [], []
    for file, result in zip(files, results, strict=True):
        if isinstance(result, str):
            skipped.setdefault(result, []).append(file.name)
        else:
            songs += result
            hashes += [file.fingerprint] * len(result)
    songs = assign_splits(songs, hashes, settings.validation_fraction)
    return _make_dataset(songs, f"MIDI files in {shown(directory)}", skipped)


def _find_folder(name: str) -> Path:
    """The folder, or one of that name in $DRUMJAX_DATA."""
    directory, shared = user_path(name), shared_folder()
    if not directory.is_dir() and shared and (shared / name).is_dir():
        return shared / name
    return directory


def _take(settings: DataSettings) -> Take:
    return Take(settings.instrument, settings.sustain)


def _make_dataset(songs: list[Song], source: str, skipped: dict[str, list[str]]) -> Dataset:
    if not songs:
        hint = (
            "; set config.data.instrument=all for drums on other channels, or begin with configs/piano.py for others"
            if "no drum track" in skipped
            else ""
        )
        raise DatasetError(
            f"no usable song in the {source}: {'; '.join(_describe(skipped)) or 'it lists no file'}{hint}"
        )
    notices: dict[str, dict[str, int]] = {}
    for song in songs:
        for notice in song.notices:
            notices.setdefault(notice.reason, {})[song.name] = notice.count
    return Dataset(songs, source, skipped, notices=notices)


def _select(songs: list[Song], settings: DataSettings) -> list[Song]:
    return select(
        songs,
        styles=settings.styles,
        fill=settings.fill,
        time_signatures=settings.time_signatures,
        drummers=settings.drummers,
    )


def _describe(skipped: dict[str, list[str]]) -> list[str]:
    """Per reason, the most frequent first: how many, why, and a few of their names."""
    return [
        f"{len(names)}: {reason} ({', '.join(names[:_NUM_EXAMPLES])}{', ...' if len(names) > _NUM_EXAMPLES else ''})"
        for reason, names in sorted(skipped.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
