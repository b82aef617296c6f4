"""How notes become tokens."""

import dataclasses

from drumjax.config.checks import require
from drumjax.music.kits import KITS, Kit, get_kit

CODECS = ("grid", "events")
# The fields that codecs have, for settings by field: a typo dies even where a codec lacks the field.
GRID_FIELDS = ("hits", "velocity", "offset")
EVENT_FIELDS = ("pitch", "duration", "velocity", "shift")
FIELDS = tuple(dict.fromkeys(GRID_FIELDS + EVENT_FIELDS))


@dataclasses.dataclass(frozen=True)
class CodecSettings:
    """The codec, by name, and its numbers; see configs/default.py for what each is. Raises SettingsError."""

    name: str
    kit: str
    steps_per_beat: int
    expressive: bool
    velocity_bins: int
    offset_bins: int
    lookback_bars: int
    lookback_beats: tuple[float, ...]
    timed: bool
    tick_ms: float
    max_shift_beats: float
    max_duration_beats: float

    def __post_init__(self):
        _require(self.name in CODECS, "name", self.name, f"one of {', '.join(CODECS)}")
        _require(1 <= self.steps_per_beat <= 480, "steps_per_beat", self.steps_per_beat, "1..480")
        _require(self.name == "events" or self.steps_per_beat <= 48, "steps_per_beat", self.steps_per_beat, "1..48")
        for name in ("velocity_bins", "offset_bins"):
            _require(2 <= getattr(self, name) <= 128, name, getattr(self, name), "2..128")
        _require(0 <= self.lookback_bars <= 16, "lookback_bars", self.lookback_bars, "0..16")
        near = all(0 < beats <= 8 for beats in self.lookback_beats)
        _require(near, "lookback_beats", self.lookback_beats, "a tuple of beats above 0 and up to 8")
        _require(self.tick_ms == 0 or 1 <= self.tick_ms <= 100, "tick_ms", self.tick_ms, "in 1..100, or 0")
        _require(0 < self.max_shift_beats <= 64, "max_shift_beats", self.max_shift_beats, "above 0 and up to 64")
        _require(0 <= self.max_duration_beats <= 64, "max_duration_beats", self.max_duration_beats, "in 0..64")
        has_no_lengths = self.timed or (self.max_duration_beats == 0 and self.tick_ms == 0)
        _require(has_no_lengths, "timed", self.timed, "True where there are durations or milliseconds")
        _require(self.name == "events" or self.kit != "", "kit", self.kit, "a drum kit, as codec.name is 'grid'")
        _require(self.kit in ("", *KITS), "kit", self.kit, f"one of {', '.join(sorted(KITS))}, or ''")

    def make_kit(self) -> Kit | None:
        """The drums, None for a pitched instrument."""
        return get_kit(self.kit) if self.kit else None


def _require(condition: bool, name: str, value: object, must: str) -> None:
    require(condition, f"codec.{name}", value, must)
