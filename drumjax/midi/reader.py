"""Read and write MIDI files: the only module that knows miditoolkit.

Files in the wild are damaged in every way there is, and miditoolkit (over mido) answers with eight kinds of exception,
with silence, or with gigabytes. So it reads only what sanitizer.py has washed.
"""

import dataclasses
import io
import os
from pathlib import Path

import miditoolkit

from drumjax.midi.chunks import DRUM_CHANNEL, DamageError, load_bytes
from drumjax.midi.instruments import parse_instrument
from drumjax.midi.pedal import sustain_notes
from drumjax.midi.sanitizer import wash_bytes
from drumjax.midi.tick_notes import END, PITCH, SENDER, START, VELOCITY, choose_notes, list_notes
from drumjax.midi.writer import MAX_TEMPO_BPM, MIN_TEMPO_BPM, encode_song, keep_loudest
from drumjax.music.notes import TICKS_PER_BEAT, Notice, Song, Timeline, make_notes
from drumjax.music.sections import (
    Section,
    cut_song,
    describe_sections,
    find_sections,
    first_bar_line,
    main_section,
    typical_tempo,
)
from drumjax.system.errors import UserError
from drumjax.system.files import takes_user_path, write_atomically

# Raise it when the same file would give another song, or another reason why it gives none: songs that were read before
# are kept, and known by this number.
READER_VERSION = 4
STRUCK_TWICE = "notes struck twice at the same time, of which the louder stays"  # the reason of a notice
COUNTED_BACK = "beginning amid a bar, as bars are counted back from the longest part in the metre"


class MidiError(UserError):
    """A MIDI file that cannot be used: `path`, a short countable `reason` without the path, and a free `detail`."""

    def __init__(self, path: str | os.PathLike[str], reason: str, detail: str = ""):
        super().__init__(os.fspath(path), reason, detail)  # all three, so that it survives pickling between processes
        self.path, self.reason, self.detail = os.fspath(path), reason, detail

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@takes_user_path
def read_midi(
    path: str | os.PathLike[str], *, instrument: str = "drums", sustain: bool = False, with_messages: bool = False
) -> Song:
    """The performance in a MIDI file, named after the file; raises MidiError, and nothing else, for a bad file.

    instrument: "drums" takes the notes of channel 10, from whatever tracks; "all" takes all notes of all tracks (for
    drums on another channel), and is_drums then says if all of them are on channel 10; others are of
    instruments.parse_instrument. With `sustain` notes sound on while the pedal is down. With `with_messages` the song's
    timeline has what else the file says on channel 10: hi-hat pedal, chokes, programs.

    Onsets and durations are ticks over ticks per beat, so tempo changes do not move notes; onsets count from the first
    bar line, which a pickup puts before the beginning of the file (song.timeline.start_beat). The tempo is the median
    of the beats that notes begin in, the time signature the one that most beats have (120 bpm and 4/4 if the file is
    silent on them), the program that of the most notes. Of notes with the same tick and pitch the loudest stays; zero
    durations stay; a drum hit that is never ended gets a 32nd, another note ends with the next of its pitch or its
    track. song.notices says what of this happened.
    """
    song, sections = _read(path, instrument, sustain, with_messages)
    notices = [describe_sections(sections, song.time_signature)]
    if song.timeline.start_beat > 0:
        is_pickup = sections[0].start < sections[0].bar_line
        reason = "pickup before the first bar line, taken as the end of a bar"
        notices.append(Notice(reason if is_pickup else COUNTED_BACK))
    if song.timeline.tempos:
        count = len(song.timeline.tempos) - 1
        reason = f"changes of tempo, around {song.tempo_bpm:.4g} bpm"
        notices.append(Notice(reason, count))
    return dataclasses.replace(song, notices=(*song.notices, *filter(None, notices)))


@takes_user_path
def read_parts(path: str | os.PathLike[str], *, instrument: str = "drums", sustain: bool = False) -> list[Song]:
    """The performance in a MIDI file as songs to learn from: cut where its metre changes and where nobody plays for
    long, see sections.cut_song. Otherwise as read_midi."""
    song, sections = _read(path, instrument, sustain, False)
    if count := len(song.timeline.tempos):
        notice = Notice("changes of tempo, taken as the median tempo of the beats with notes", count - 1)
        song = dataclasses.replace(song, notices=(*song.notices, notice))
    return cut_song(song, sections)


def _read(
    path: str | os.PathLike[str], instrument: str, sustain: bool, with_messages: bool
) -> tuple[Song, list[Section]]:
    """The song, and its sections in beats from its bar 0."""
    chosen = parse_instrument(instrument)
    try:
        washed = wash_bytes(load_bytes(path), drums_only=instrument == "drums", with_messages=with_messages)
        midi = miditoolkit.MidiFile(file=io.BytesIO(washed.data))
        notes = list_notes(midi.instruments, washed)
    except DamageError as damage:
        raise MidiError(path, *damage.args) from None
    except OSError as error:
        raise MidiError(path, error.strerror or type(error).__name__) from error
    except Exception as error:  # no known file gets here; one more surprise must not stop a run over 10,000 files
        raise MidiError(path, "unreadable", f"{type(error).__name__}: {error}") from error

    notes, program = choose_notes(notes, {part.sender: part.name for part in washed.parts}, chosen)
    if not len(notes):
        raise MidiError(path, f"no notes of {instrument}")
    end = sustain_notes(notes, washed.pedals) if sustain else notes[:, END]
    tick, pitch, velocity, duration = keep_loudest(
        notes[:, START], notes[:, PITCH], notes[:, VELOCITY], end - notes[:, START]
    )
    notices = list(washed.notices)
    if len(tick) < len(notes):
        notices.append(Notice(STRUCK_TWICE, len(notes) - len(tick)))
    per_beat = midi.ticks_per_beat
    metres = [(s.time / per_beat, (s.numerator, s.denominator)) for s in midi.time_signature_changes]
    sections = find_sections(metres, int(tick[-1]) / per_beat)
    main = main_section(sections, int(tick[0]) / per_beat, int(tick[-1]) / per_beat)
    start = first_bar_line(main, int(tick[0]) / per_beat)
    tempos = [(change.time / per_beat, float(change.tempo)) for change in midi.tempo_changes]
    tempo = typical_tempo(tempos, tick / per_beat, tempos[0][1])
    if not MIN_TEMPO_BPM <= tempo <= MAX_TEMPO_BPM:
        raise MidiError(path, "tempo out of range", f"{tempo:.6g} bpm")
    is_drums = bool((notes[:, SENDER] & 0x0F == DRUM_CHANNEL).all())
    song = Song(
        make_notes(tick / per_beat - start, duration / per_beat, pitch, velocity),
        tempo_bpm=tempo,
        time_signature=main.metre,
        is_drums=is_drums,
        name=Path(path).name,
        program=0 if is_drums else program,
        timeline=Timeline(
            start_beat=-start,
            ticks_per_beat=per_beat * -(-TICKS_PER_BEAT // per_beat),  # at least as fine as ours
            tempos=tuple((beat - start, bpm) for beat, bpm in tempos) if len(tempos) > 1 else (),
            metres=tuple((beat - start, metre) for beat, metre in metres) if len(sections) > 1 or start else (),
            messages=tuple((when / per_beat - start, message) for when, message in washed.messages),
        ),
        notices=tuple(notices),
    )
    return song, [s._replace(start=s.start - start, end=s.end - start, bar_line=s.bar_line - start) for s in sections]


def count_struck(song: Song) -> int:
    """The notes of a file that a song was read from, those counted, too, of which a louder one stayed."""
    return len(song.notes.pitch) + sum(notice.count for notice in song.notices if notice.reason == STRUCK_TWICE)


@takes_user_path
def write_midi(song: Song, path: str | os.PathLike[str]) -> None:
    """Write a song as a standard MIDI file (format 1, 480 ticks per beat), drums on channel 10, others on channel 1
    with the song's program.

    What song.timeline has is written back: tempos, metres, a pickup, messages, and a finer resolution. Pitches are
    written as they are. Onsets are rounded to ticks, early ones to tick 0; hits of a pitch that would meet there are
    kept a tick apart, and only of those with the same onset the loudest stays. A note lasts at least one tick and ends
    when its pitch is next struck; velocities are clipped to 1..127. Equal songs give equal bytes. The file appears
    whole or not at all, and one that was there stays as it was if anything fails. Raises ValueError if the song cannot
    be written, OSError, naming the path, if the file cannot.
    """
    try:
        data = encode_song(song)
    except ValueError as error:
        raise ValueError(f"cannot write {os.fspath(path)}: {error}") from error
    write_atomically(path, data)
