"""What MIDI pitches are called: notes, General MIDI level 1 percussion, and what a Roland TD-11 adds to it."""

_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FIRST = 35
_GENERAL_MIDI = (
    "acoustic bass drum", "bass drum 1", "side stick", "acoustic snare", "hand clap", "electric snare",
    "low floor tom", "closed hi-hat", "high floor tom", "pedal hi-hat", "low tom", "open hi-hat", "low-mid tom",
    "hi-mid tom", "crash cymbal 1", "high tom", "ride cymbal 1", "chinese cymbal", "ride bell", "tambourine",
    "splash cymbal", "cowbell", "crash cymbal 2", "vibraslap", "ride cymbal 2", "hi bongo", "low bongo",
    "mute hi conga", "open hi conga", "low conga", "high timbale", "low timbale", "high agogo", "low agogo", "cabasa",
    "maracas", "short whistle", "long whistle", "short guiro", "long guiro", "claves", "hi wood block",
    "low wood block", "mute cuica", "open cuica", "mute triangle", "open triangle",
)  # fmt: skip
# Pads and zones that General MIDI does not name, or names otherwise.
_ROLAND = {22: "closed hi-hat, edge", 26: "open hi-hat, edge", 40: "snare rim", 55: "crash 1 edge", 57: "crash 2",
           52: "crash 2 edge", 59: "ride edge", 53: "ride bell", 58: "floor tom rim", 50: "tom 1 rim",
           47: "tom 2 rim"}  # fmt: skip


def percussion_name(pitch: int) -> str:
    """Of General MIDI; behind a stroke what a TD-11 means by it, where that is something else. "" for none."""
    index = pitch - _FIRST
    names = [_GENERAL_MIDI[index]] if 0 <= index < len(_GENERAL_MIDI) else []
    if pitch in _ROLAND:
        names.append(f"TD-11: {_ROLAND[pitch]}")
    return " / ".join(names)


def pitch_name(pitch: int) -> str:
    """Such as C4, which is MIDI 60."""
    return f"{_NOTES[pitch % 12]}{pitch // 12 - 1}"
