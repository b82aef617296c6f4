"""MIDI files that cost as much as a file can: each kind of content, as much of it as the limits let through, or more.

Each is a function without arguments in CASES, under its name, beside what reading it as "all" gives: "song", or the
reason of a MidiError.
"""

import itertools
import random
import struct
from collections.abc import Callable, Iterable

BEAT = b"\x83\x60"  # 480 ticks
TICK = b"\x01"
NOW = b"\x00"
MOST_NOTES = 59_000
MOST_TEMPOS = 29_000
MOST_METRES = 4_900
MOST_CONTROLS = 195_000

CASES: dict[str, tuple[str, Callable[[], bytes]]] = {}


def gives(outcome: str) -> Callable:
    def register(make: Callable[[], bytes]) -> Callable[[], bytes]:
        CASES[make.__name__] = outcome, make
        return make

    return register


def chunk(body: bytes, kind: bytes = b"MTrk", size: int | None = None) -> bytes:
    return kind + struct.pack(">L", len(body) if size is None else size) + body


def header(tracks: int) -> bytes:
    return struct.pack(">4sLHHH", b"MThd", 6, 1, tracks, 480)


def smf(*tracks: bytes) -> bytes:
    """A file of these tracks, each named "a"."""
    return header(len(tracks)) + b"".join(chunk(b"\x00\xff\x03\x01a" + track) for track in tracks)


def hit(pitch: int = 36, channel: int = 9, after: bytes = NOW, length: bytes = TICK, velocity: int = 64) -> bytes:
    start, end = bytes((0x90 | channel, pitch, velocity)), bytes((0x80 | channel, pitch, 0))
    return after + start + length + end


def hits(count: int = MOST_NOTES, channels: Iterable[int] = (9,), after: bytes = NOW) -> bytes:
    """Notes one after the other, of all channels and all pitches in turn."""
    turn = itertools.cycle([(pitch, channel) for pitch in range(128) for channel in channels])
    return b"".join(hit(pitch, channel, after) for pitch, channel in itertools.islice(turn, count))


def pedal(value: int, channel: int = 0, after: bytes = TICK) -> bytes:
    return after + bytes((0xB0 | channel, 64, value))


def tempo(microseconds: int, after: bytes = TICK) -> bytes:
    return after + b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def metre(numerator: int, power: int, after: bytes = TICK) -> bytes:
    return after + b"\xff\x58\x04" + bytes((numerator, power, 24, 8))


def tempos(count: int = MOST_TEMPOS, after: bytes = TICK) -> bytes:
    return b"".join(tempo(400_000 + i % 1000, after) for i in range(count))


def metres(count: int = MOST_METRES, after: bytes = BEAT) -> bytes:
    return b"".join(metre(1 + i % 7, 2, after) for i in range(count))


BOTH = (0, 9)

# ---- notes


@gives("song")
def notes_of_one_pitch() -> bytes:
    return smf(*(b"".join(hit(60, channel) for _ in range(MOST_NOTES // 2)) for channel in BOTH))


@gives("song")
def notes_of_all_channels() -> bytes:
    return smf(hits(channels=range(16)))


@gives("song")
def notes_in_running_status() -> bytes:
    return smf(b"\x00\x99\x24\x40\x01\x24\x00" + b"\x00\x24\x40\x01\x24\x00" * (MOST_NOTES - 1))


@gives("song")
def notes_at_one_tick() -> bytes:
    body = b"".join(hit(i % 128, i // 128 % 16, length=NOW, velocity=1 + i % 127) for i in range(MOST_NOTES))
    return smf(body)


@gives("song")
def a_thousand_tracks_of_all_channels() -> bytes:
    return smf(*[hits(MOST_NOTES // 1000, range(16))] * 1000)


@gives("song")
def overlaps_of_one_pitch() -> bytes:
    def overlapping(channel: int) -> bytes:
        start, end = bytes((0x90 | channel, 36, 64)), bytes((0x80 | channel, 36, 0))
        return (NOW + start) * 255 + (TICK + start + NOW + end) * (MOST_NOTES // 2 - 255) + (TICK + end) * 255

    return smf(*map(overlapping, BOTH))


@gives("too many overlapping notes")
def more_overlaps() -> bytes:
    return smf(b"\x00\x99\x24\x40" + b"\x01\x24\x40" * 50_000 + b"\x01\x24\x00" * 50_000)


@gives("song")
def notes_never_ended() -> bytes:
    turn = [TICK + bytes((0x90 | i % 16, i // 16 % 128, 64)) for i in range(MOST_NOTES)]
    return smf(b"".join(turn))


@gives("song")
def a_note_never_ended_and_many_that_are() -> bytes:
    return smf(*((NOW + bytes((0x90 | channel, 60, 64))) * 200 + hits(MOST_NOTES // 2 - 200, [channel])
                 for channel in BOTH))  # fmt: skip


@gives("song")
def ends_of_nothing() -> bytes:
    return smf(hit() + b"\x00\x80\x01\x01" + b"\x00\x01\x01" * 490_000)


@gives("too many notes")
def more_notes() -> bytes:
    return smf(*[hits(500)] * 900)


@gives("song")
def long_notes() -> bytes:
    """Each ends long after the last beat that is read."""
    return smf(b"".join(TICK + bytes((0x99, i % 128, 64)) for i in range(2000))
               + b"".join(b"\xff\xff\xff\x7f" + bytes((0x89, i % 128, 0)) for i in range(2000))
               + b"\xff\xff\xff\x7f\xb0\x07\x40" * 400_000)  # fmt: skip


@gives("too long")
def a_note_after_years() -> bytes:
    return smf(hit() + b"\xff\xff\xff\x7f" + hit()[1:])


# ---- pedals, programs, names


@gives("song")
def a_pedal_for_many_tracks() -> bytes:
    loose = b"".join(pedal(127 * (i % 2)) for i in range(MOST_CONTROLS))
    return smf(loose, *[hits(MOST_NOTES // 900, [0], after=b"\x20")] * 900, hit())


@gives("song")
def a_pedal_of_each_track_and_channel() -> bytes:
    def track(channel: int) -> bytes:
        presses = b"".join(pedal(127 * (i % 2), channel, BEAT) for i in range(MOST_CONTROLS // 900))
        return bytes((0, 0xC0 | channel, channel)) + presses + hits(MOST_NOTES // 900, [channel])

    return smf(*(track(i % 16) for i in range(900)))


@gives("too many controls")
def pedals_of_their_own_and_one_for_all() -> bytes:
    loose = b"".join(pedal(127 * (i % 2)) for i in range(4000))
    return smf(loose, *[pedal(0, after=NOW) + hits(60, [0])] * 900, hit())


@gives("song")
def a_pedal_between_notes() -> bytes:
    return smf(b"".join(pedal(127 * (i % 2), after=NOW) * 2 + hit(60 + i % 4, 0) for i in range(MOST_NOTES)), hit())


@gives("song")
def pedals_that_never_come_up() -> bytes:
    return smf(*[b"".join(pedal(127, c) for c in range(16)) * 13 + hits(60, range(16)) for _ in range(900)])


@gives("too many controls")
def more_pedals() -> bytes:
    return smf(hit() + NOW + b"\xb0\x40\x7f" + b"\x01\x40\x00" * 400_000)


@gives("song")
def a_program_for_each_note() -> bytes:
    return smf(*(b"".join(bytes((0, 0xC0 | i % 16, i * 7 % 128)) + pedal(127 * (i % 3), i % 16) + hit(60, i % 16)
                          for i in range(k, MOST_NOTES, 100)) for k in range(100)))  # fmt: skip


@gives("song")
def programs_for_many_tracks() -> bytes:
    loose = b"".join(TICK + bytes((0xC0, i % 128)) for i in range(MOST_CONTROLS))
    return smf(loose, *[hits(MOST_NOTES // 900, [0], after=b"\x20")] * 900, hit())


@gives("song")
def names_of_one_track() -> bytes:
    return smf(b"".join(b"\x00\xff\x03\x03" + f"{i:03}"[-3:].encode() for i in range(490_000)) + hits(1000, BOTH))


@gives("song")
def names_without_end() -> bytes:
    return smf(*[b"\x00\xff\x03\x9e\x20" + b"a" * 3872 + hits(60, BOTH)] * 800)


# ---- tempos and metres


@gives("song")
def tempo_changes() -> bytes:
    return smf(tempos(), hits(channels=BOTH, after=TICK))


@gives("too many tempo changes")
def more_tempo_changes() -> bytes:
    return smf(hit() + tempos(300_000))


@gives("song")
def changes_of_metre_and_tempo() -> bytes:
    """A part to learn from for each, in turns of two metres and of many."""
    return smf(metres(), tempos(after=b"\x30"), hits(MOST_NOTES, BOTH, after=b"\x17"))


@gives("too many changes of metre")
def more_changes_of_metre() -> bytes:
    return smf(hit() + metres(400_000))


@gives("song")
def silences_in_bars_of_a_64th() -> bytes:
    return smf(metre(1, 6, NOW), *(hits(MOST_NOTES // 2, [channel], after=b"\x81\x34") for channel in BOTH))


@gives("song")
def silences_in_short_bars() -> bytes:
    return smf(metre(1, 2, NOW) + tempos(after=b"\x81\x44"), *(hits(3000, [channel], after=b"\x98\x40")
                                                                for channel in BOTH))  # fmt: skip


# ---- other events, and none


@gives("song")
def messages_of_the_drum_channel() -> bytes:
    return smf(b"".join(TICK + bytes((0xB9, 4, i % 128)) for i in range(MOST_CONTROLS)) + hits(channels=BOTH))


@gives("song")
def values_above_127() -> bytes:
    return smf(b"\x00\xb9\x00\xff" * MOST_CONTROLS + hits(1000, BOTH))


@gives("song")
def banks_of_a_second_kit() -> bytes:
    return smf(b"\x00\xb1\x00\x7f" * 150_000 + hits(MOST_NOTES - 10, [1]) + hit())


@gives("song")
def kits_in_sysex() -> bytes:
    kit = b"\x00\xf0\x0a\x41\x10\x42\x12\x40\x12\x15\x01\x18\xf7"
    return smf(kit * 290_000 + hits(1000, (2, 9)))


@gives("song")
def one_long_sysex() -> bytes:
    return smf(b"\x00\xf0\x81\xc0\x80\x00" + bytes(3 << 20) + hits(1000, BOTH))


@gives("too many events")
def events_of_two_bytes() -> bytes:
    return smf(hit(), b"\x00\xd0\x01" + b"\x00\x01" * 1_900_000)


@gives("too many events")
def real_time_bytes() -> bytes:
    return smf(hit(), *[b"\x00\xf8" * 19_000] * 99)


@gives("song")
def a_thousand_tracks_of_nothing() -> bytes:
    return smf(hits(1000, BOTH), *[b""] * 998)


@gives("song")
def chunks_of_other_kinds() -> bytes:
    return header(1) + chunk(b"", b"XFIH") * 480_000 + chunk(hits(1000, BOTH))


@gives("too many tracks")
def more_tracks() -> bytes:
    return header(1) + chunk(hit()) * 200_000


@gives("song")
def tracks_of_a_wrong_length() -> bytes:
    """Whose ends have to be looked for, in what looks much like the next one."""
    return header(990) + b"".join(chunk(hits(3, BOTH) + NOW + b"\xff\x2f\x00" + b"MTrMTrMT" * 450, size=size)
                                  for size in [3, 1 << 31, 2000] * 330)  # fmt: skip


@gives("song")
def tracks_behind_other_bytes() -> bytes:
    return header(990) + b"".join(b"\0MTrMTr" * 400 + chunk(hits(3, BOTH) + NOW + b"\xff\x2f\x00") for _ in range(990))


@gives("truncated")
def a_track_that_promises_more() -> bytes:
    return header(1) + chunk(b"\x00\xb0\x07\x40" * 400_000, size=0xFFFFFFFF)


@gives("malformed track")
def noise() -> bytes:
    return smf(hit() + random.Random(0).randbytes(3_900_000))


@gives("file too large")
def thirty_megabytes() -> bytes:
    return smf(hit()) + bytes(30 << 20)


@gives("song")
def everything_at_once() -> bytes:
    loose = b"".join(pedal(127 * (i % 2), after=NOW if i % 8 else TICK) for i in range(60_000))
    programs = b"".join(bytes((i % 2, 0xC0, i % 128)) for i in range(60_000))
    tracks = [hits(MOST_NOTES // 900, BOTH, after=TICK)] * 900
    return smf(tempos(30_000), metres(after=b"\x30"), loose, programs, *tracks, (TICK + b"\xb9\x04\x40") * 60_000)
