"""Notes that are never ended get an end."""

import collections

from drumjax.midi.chunks import DRUM_CHANNEL

_UNENDED_BEAT = 1 / 8  # how long a drum hit lasts that is never ended: a 32nd

Event = tuple[int, bytes]  # the tick, and the message


def end_all(
    notes: list[Event], keys: set[int], division: int, end: int
) -> tuple[list[Event], collections.Counter[str]]:
    """The note messages of a track that ends at tick `end`, with ends for all, in order of time, and how many had none,
    by what was done about them.

    keys (channel << 7 | pitch) are those whose notes are not all ended; division is in ticks per beat. A drum hit lasts
    a 32nd, or until its pitch is struck again; another note until that or the end of the track.
    """
    counts: collections.Counter[str] = collections.Counter()
    kept: list[Event] = []
    open_since: dict[int, int] = {}

    def close(key: int, tick: int) -> None:
        kept.append((tick, bytes((0x80 | key >> 7, key & 0x7F, 0))))
        del open_since[key]

    def close_unended(key: int, tick: int, at_end: bool = False) -> None:
        is_drum = key >> 7 == DRUM_CHANNEL
        length = "taken as 32nds" if is_drum else "taken to the next of their pitch or the end of the track"
        counts[f"notes that are never ended, {length}"] += 1
        brief = open_since[key] + max(1, round(_UNENDED_BEAT * division))
        close(key, brief if is_drum and (at_end or brief < tick) else tick)

    for tick, message in notes:
        key = (message[0] & 0x0F) << 7 | message[1]
        is_start = message[0] >= 0x90 and message[2] > 0
        if key not in keys:
            kept.append((tick, message))
        elif is_start:
            if key in open_since:
                close_unended(key, tick)
            open_since[key] = tick
            kept.append((tick, message))
        elif key in open_since:
            close(key, tick)
    for key in list(open_since):
        close_unended(key, max(end, open_since[key] + 1), at_end=True)
    return sorted(kept, key=lambda event: event[0]), counts
