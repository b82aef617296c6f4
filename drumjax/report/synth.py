"""The sounds that pages play: a small synthesis of ours, so that no sound library and nobody's recordings are needed.

Drums are sines that fall in pitch, filtered noise, and for metal the six detuned squares of early drum machines; other
instruments are a struck string of a few partials. Good enough to judge a groove by; a real kit sounds better, and the
MIDI files are there to be played by one.
"""

import io
import wave

import numpy as np

SAMPLE_RATE = 32_000  # Hz
# Of the metal of hi-hats and cymbals: no two in a simple ratio.
METAL_HZ = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)
# Sounds end where they are this much softer than their peak.
SILENCE = 10 ** (-54 / 20)


def drum_sound(name: str) -> np.ndarray:
    """[samples] float in -1..1 of a full stroke on a drum of kits.ROLAND_TD11, by name, as loud as it is in a kit.

    Other names sound like a snare.
    """
    make, loudness = _DRUMS.get(name, _DRUMS["snare"])
    return loudness * _finish(make(np.random.default_rng(0)))


def note_sound(pitch: int) -> np.ndarray:
    """[samples] float in -1..1 of a string of MIDI pitch 0..127 that is struck and left to sound."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    seconds = np.clip(5 * (220 / hz) ** 0.6, 0.5, 6)
    t = _time(seconds)
    tone = np.zeros_like(t)
    for k in range(1, 13):
        partial_hz = k * hz * np.sqrt(1 + 4e-4 * k * k)  # a stiff string's partials are a little sharp
        if partial_hz < 0.45 * SAMPLE_RATE:
            tone += np.sin(2 * np.pi * partial_hz * t) * np.exp(-t * (1.2 + 0.7 * k) * 3 / seconds) / k**1.3
    return _finish(tone * np.minimum(t / 0.002, 1))


def to_wav(samples: np.ndarray) -> bytes:
    """A WAV file: mono, 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _kick(generator: np.random.Generator) -> np.ndarray:
    t = _time(0.5)
    body = _falling(t, 48, 130, 0.035) * np.exp(-t / 0.12)
    click = _noise(generator, t, 1500, 6000) * np.exp(-t / 0.004)
    return body + 0.25 * click


def _snare(generator: np.random.Generator) -> np.ndarray:
    t = _time(0.4)
    shell = (_falling(t, 185, 60, 0.02) + 0.6 * _falling(t, 330, 80, 0.02)) * np.exp(-t / 0.06)
    wires = _noise(generator, t, 1800, 9500) * (np.exp(-t / 0.09) + 0.4 * np.exp(-t / 0.015))
    return 0.55 * shell + 0.8 * wires


def _tom(hz: float):
    def make(generator: np.random.Generator) -> np.ndarray:
        t = _time(0.7)
        skin = _falling(t, hz, 0.55 * hz, 0.05) * np.exp(-t / 0.2)
        return skin + 0.15 * _noise(generator, t, 800, 4000) * np.exp(-t / 0.01)

    return make


def _hat(seconds: float):
    def make(generator: np.random.Generator) -> np.ndarray:
        t = _time(max(5 * seconds, 0.12))
        sound = _high(_metal(t, 1.5) + 0.8 * _noise(generator, t, 6000, 15000), 6500)
        return sound * np.exp(-t / seconds)

    return make


def _crash(generator: np.random.Generator) -> np.ndarray:
    t = _time(2.2)
    sound = _high(0.5 * _metal(t, 1.1) + 1.2 * _noise(generator, t, 2500, 14000), 2500)
    return sound * (np.exp(-t / 0.55) + 0.7 * np.exp(-t / 0.06))


def _ride(generator: np.random.Generator) -> np.ndarray:
    t = _time(1.4)
    wash = _high(_metal(t, 1.7) + 0.3 * _noise(generator, t, 5000, 14000), 5000) * np.exp(-t / 0.4)
    ping = (np.sin(2 * np.pi * 3140 * t) + 0.6 * np.sin(2 * np.pi * 4755 * t)) * np.exp(-t / 0.09)
    return 0.5 * wash + 0.35 * ping


# How each is made, and how loud it is beside the others.
_DRUMS = {
    "kick": (_kick, 1.0),
    "snare": (_snare, 0.75),
    "closed hi-hat": (_hat(0.03), 0.35),
    "open hi-hat": (_hat(0.22), 0.3),
    "low tom": (_tom(82.0), 0.75),
    "mid tom": (_tom(115.0), 0.7),
    "high tom": (_tom(160.0), 0.65),
    "crash": (_crash, 0.4),
    "ride": (_ride, 0.3),
}


def _time(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _falling(t: np.ndarray, hz: float, above_hz: float, seconds: float) -> np.ndarray:
    """A sine that begins `above_hz` above its pitch and falls to it."""
    return np.sin(2 * np.pi * (hz * t + above_hz * seconds * (1 - np.exp(-t / seconds))))


def _noise(generator: np.random.Generator, t: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    from scipy import signal  # takes a second to import, and not every job has a page

    band = signal.butter(2, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE, output="sos")
    noise = signal.sosfilt(band, generator.standard_normal(len(t)))
    return noise / np.abs(noise).max()


def _metal(t: np.ndarray, pitch: float) -> np.ndarray:
    return np.mean([np.sign(np.sin(2 * np.pi * pitch * hz * t)) for hz in METAL_HZ], axis=0)


def _high(sound: np.ndarray, hz: float) -> np.ndarray:
    from scipy import signal

    return signal.sosfilt(signal.butter(4, hz, "highpass", fs=SAMPLE_RATE, output="sos"), sound)


def _finish(sound: np.ndarray) -> np.ndarray:
    """Cut where it can no longer be heard, faded to nothing, the peak at 0.9."""
    level = np.abs(sound)
    end = int(np.flatnonzero(level > SILENCE * level.max())[-1]) + 1
    sound = sound[:end] * np.minimum(1, np.arange(end)[::-1] / (0.01 * SAMPLE_RATE))
    return 0.9 * sound / np.abs(sound).max()
