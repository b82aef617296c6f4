"""Channels that a file makes drum parts beside channel 10."""

from drumjax.midi.chunks import DRUM_CHANNEL


def rhythm_channels(sysex: bytes) -> list[int]:
    """The channel other than 10 that a system exclusive message makes a drum part: Roland GS "use for rhythm part",
    Yamaha XG "part mode"."""
    if (
        sysex[:1] == b"\x41"
        and sysex[2:5] == b"\x42\x12\x40"
        and sysex[6:7] == b"\x15"
        and sysex[7:8] in (b"\1", b"\2")
    ):
        block = sysex[5] & 0x0F  # 0 is channel 10, then 1 to 9, then 11 to 16
        channels = [block - (block < 10)] if block else []
    elif sysex[:1] == b"\x43" and sysex[2:4] == b"\x4c\x08" and sysex[5:6] == b"\x07" and sysex[6:7] > b"\0":
        channels = [sysex[4]]
    else:
        channels = []
    return [channel for channel in channels if channel != DRUM_CHANNEL and channel < 16]
