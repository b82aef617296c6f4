"""Read and write MIDI files: the only module that knows miditoolkit.

Files in the wild are damaged in every way there is, and miditoolkit (over mido) answers with eight kinds of exception,
with silence, or with gigabytes. So it reads only what midi_bytes.py has washed.
"""

import io
import os
from pathlib import Path

import miditoolkit
import numpy as np

from drumjax.midi.instruments import parse_instrument
from drumjax.midi.pedal import sustain_notes
from drumjax.midi.sanitizer import SUSTAIN, DamageError, load_bytes, wash_bytes
from drumjax.midi.writer import MAX_TEMPO_BPM, MIN_TEMPO_BPM, encode_song, keep_loudest
from drumjax.music.notes import Song, make_notes
from drumjax.system.errors import UserError
from drumjax.system.files import write_atomically

# Raise it when the same file would give another song, or another reason why it gives none: songs that were read before
# are kept, and known by this number.
READER_VERSION = 1


class MidiError(UserError):
    """A MIDI file that cannot be used: `path`, a short countable `reason` without the path, and a free `detail`."""

    def __init__(self, path: str | os.PathLike[str], reason: str, detail: str = ""):
        super().__init__(os.fspath(path), reason, detail)  # all three, so that it survives pickling between processes
        self.path, self.reason, self.detail = os.fspath(path), reason, detail

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


def read_midi(path: str | os.PathLike[str], *, instrument: str = "drums", sustain: bool = False) -> Song:
    """The performance in a MIDI file, named after the file; raises MidiError, and nothing else, for a bad file.

    instrument: "drums" takes the notes of channel 10, from whatever tracks; "all" takes all notes of all tracks (for
    drums on another channel), and is_drums then says if all of them are on channel 10; others are of
    instruments.parse_instrument. With `sustain` notes sound on while the pedal is down.

    Onsets and durations are ticks over ticks per beat, so tempo changes do not move notes. The tempo is the one that
    sounds longest between first and last onset, the time signature the one in force at the first note (120 bpm and
    4/4 if the file is silent on them), the program that of the most notes. Of notes with the same tick and pitch the
    loudest stays; zero durations stay; notes that never end are dropped.
    """
    chosen = parse_instrument(instrument)
    try:
        clean = wash_bytes(load_bytes(path), drums_only=instrument == "drums")
        midi = miditoolkit.MidiFile(file=io.BytesIO(clean))
    except DamageError as damage:
        raise MidiError(path, *damage.args) from None
    except OSError as error:
        raise MidiError(path, error.strerror or type(error).__name__) from error
    except Exception as error:  # no known file gets here; one more surprise must not stop a run over 10,000 files
        raise MidiError(path, "unreadable", f"{type(error).__name__}: {error}") from error

    sounding = [part for part in midi.instruments if part.notes]
    parts = [p for p in sounding if chosen.takes(is_drum=p.is_drum, program=int(p.program), track=p.name)]
    notes = [note for part in parts for note in _notes_of(part, parts if sustain else [])]
    if sounding and not notes:
        raise MidiError(path, f"no notes of {instrument}")
    if not notes:
        raise MidiError(path, "no complete note", "none is ever ended")
    tick, pitch, velocity, duration = keep_loudest(*np.asarray(notes, np.int64).T)
    tempo = _longest_tempo(midi, int(tick[0]), int(tick[-1]))
    if not MIN_TEMPO_BPM <= tempo <= MAX_TEMPO_BPM:
        raise MidiError(path, "tempo out of range", f"{tempo:.6g} bpm")
    signatures = [(s.numerator, s.denominator) for s in midi.time_signature_changes if s.time <= tick[0]]
    is_drums = all(part.is_drum for part in parts)
    return Song(
        make_notes(tick / midi.ticks_per_beat, duration / midi.ticks_per_beat, pitch, velocity),
        tempo_bpm=tempo,
        time_signature=signatures[-1] if signatures else (4, 4),
        is_drums=is_drums,
        name=Path(path).name,
        program=0 if is_drums else int(max(parts, key=lambda part: len(part.notes)).program),
    )


def _notes_of(part: miditoolkit.Instrument, parts: list[miditoolkit.Instrument]) -> list[tuple[int, int, int, int]]:
    """(tick, pitch, velocity, duration) of a part's notes, held by the pedals of those of the parts with its program:
    the left hand's pedal is the right hand's too."""
    start, end, pitch, velocity = np.asarray([(n.start, n.end, n.pitch, n.velocity) for n in part.notes], np.int64).T
    held = end
    for other in parts:
        pedal = sorted((c.time, c.value) for c in other.control_changes if c.number == SUSTAIN)
        if other.program == part.program and pedal:
            held = np.maximum(held, sustain_notes(start, end, pitch, pedal, int(end.max())))
    return list(zip(start.tolist(), pitch.tolist(), velocity.tolist(), (held - start).tolist(), strict=True))


def write_midi(song: Song, path: str | os.PathLike[str]) -> None:
    """Write a song as a standard MIDI file (format 1, 480 ticks per beat), drums on channel 10, others on channel 1
    with the song's program.

    Pitches are written as they are. Onsets are rounded to ticks, early ones to tick 0; a note lasts at least one tick
    and ends when its pitch is next struck; of notes with the same tick and pitch the loudest stays; velocities are
    clipped to 1..127. Equal songs give equal bytes. The file appears whole or not at all, and one that was there
    stays as it was if anything fails. Raises ValueError if the song cannot be written, OSError, naming the path, if
    the file cannot.
    """
    try:
        data = encode_song(song)
    except ValueError as error:
        raise ValueError(f"cannot write {os.fspath(path)}: {error}") from error
    write_atomically(path, data)


def _longest_tempo(midi: miditoolkit.MidiFile, first_tick: int, last_tick: int) -> float:
    """The tempo in bpm that covers most of the time between two ticks, both included."""
    minutes: dict[float, float] = {}
    changes = midi.tempo_changes
    for change, end in zip(changes, [c.time for c in changes[1:]] + [last_tick + 1], strict=True):
        ticks = max(0, min(end, last_tick + 1) - max(change.time, first_tick))
        minutes[change.tempo] = minutes.get(change.tempo, 0.0) + ticks / change.tempo
    return float(max(minutes, key=minutes.__getitem__))
