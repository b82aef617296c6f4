"""HTML pages of tables, pictures and pieces to listen to: one file that needs no network and no other file."""

import base64
import dataclasses
import html
import string
from collections.abc import Sequence
from importlib import resources
from typing import Any

from drumjax import __version__
from drumjax.midi.writer import encode_song
from drumjax.music.kits import Kit
from drumjax.music.notes import Notes, Song
from drumjax.music.text import write_text
from drumjax.report.roll_picture import Picture, draw_roll
from drumjax.report.synth import drum_sound, note_sound, to_wav
from drumjax.system.strict_json import to_strict_json

# Between two pitches that have a sound of their own, a sound is played faster or slower.
PITCH_STEP = 4
# Longer pieces are cut: their pictures would be wider than can be drawn.
MAX_BARS = 128
# Sounds that cut each other short.
CHOKES = {"closed hi-hat": "hi-hat", "open hi-hat": "hi-hat"}
PAGE_MARK = b"Made by drumjax"  # in every page
FOOTER = (
    "Made by drumjax {version}. What you hear is a small synthesis in this page, not a real instrument: "
    "load the MIDI files into a sampler for that."
)


@dataclasses.dataclass(frozen=True)
class Piece:
    """Something to listen to: what it is called, how long it is, and what is said about it."""

    song: Song
    name: str
    num_bars: int
    facts: str = ""

    def cut(self) -> "Piece":
        """The piece as it is shown: its first bars, MAX_BARS at most, and nothing beyond them."""
        num_bars = min(self.num_bars, MAX_BARS)
        inside = self.song.notes.onset_beat < num_bars * self.song.beats_per_bar - 1e-3
        notes = Notes(*(column[inside] for column in self.song.notes))
        facts = self.facts if num_bars == self.num_bars else f"{self.facts} · the first {num_bars} bars"
        return Piece(dataclasses.replace(self.song, notes=notes), self.name, num_bars, facts)


class Page:
    """Collects sections, then is written. With a kit pieces are drums, without one notes with pitches."""

    def __init__(self, title: str, subtitle: str, kit: Kit | None):
        self.title, self.subtitle, self.kit = title, subtitle, kit
        self._parts: list[str] = []
        self._pieces: list[dict[str, Any]] = []
        self._sounds: dict[str, str] = {}

    def begin(self, title: str, note: str = "") -> None:
        """A heading, and a sentence under it."""
        self._parts.append(f"<section><h2>{html.escape(title)}</h2>")
        self._parts.append(f'<p class="note">{html.escape(note)}</p></section>' if note else "</section>")

    def add_table(self, rows: Sequence[Sequence[str]], strong: Sequence[str] = (), bad: Sequence[str] = ()) -> None:
        """A table; the first row names the columns. Rows whose first cell ends as one of `strong` stand out, and
        cells that are one of `bad` are red."""
        head, *body = [[html.escape(cell) for cell in row] for row in rows]
        names = "".join(f'<th scope="col">{cell}</th>' for cell in head)
        top = f"<thead><tr>{names}</tr></thead>" if any(head) else ""
        self._parts.append(f'<div class="plain scroll"><table>{top}<tbody>')
        for row in body:
            kind = ' class="model"' if strong and row[0].endswith(tuple(strong)) else ""
            cells = [f'<td class="bad">{cell}</td>' if cell in bad else f"<td>{cell}</td>" for cell in row]
            self._parts.append(f"<tr{kind}>{''.join(cells)}</tr>")
        self._parts.append("</tbody></table></div>")

    def add_lines(self, lines: Sequence[str]) -> None:
        """A list of remarks."""
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        self._parts.append(f'<div class="plain"><ul>{items}</ul></div>')

    def add_picture(self, png: bytes, caption: str) -> None:
        """A picture, with what it shows as its caption."""
        text = html.escape(caption)
        image = f'<img src="{_data_url("image/png", png)}" alt="{text}">'
        self._parts.append(
            f'<div class="plain"><figure>{image}<figcaption class="note">{text}</figcaption></figure></div>'
        )

    def add_piece(self, piece: Piece) -> None:
        """A picture of the piece with a button to play it, its MIDI file, and its tab if it is drums."""
        piece = piece.cut()
        picture = draw_roll(piece.song, piece.num_bars, self.kit)
        number = len(self._pieces)
        self._pieces.append(self._events(piece, picture))
        name, facts = html.escape(piece.name), html.escape(piece.facts)
        midi = _data_url("audio/midi", encode_song(piece.song))
        text, kind = html.escape(_text(piece.song, self.kit)), "Tab" if self.kit else "Text"
        details = f"<details><summary>{kind}</summary><pre>{text}</pre></details>" if text else ""
        image = (
            f'<img src="{_data_url("image/png", picture.png)}" width="{picture.width}" height="{picture.height}" '
            f'alt="{name}: what is played when, loud ones dark">'
        )
        self._parts.append(
            f'<article class="piece" data-piece="{number}" id="piece-{number}"><div class="bar">'
            f'<button class="play" type="button">▶ Play</button><h3>{name}</h3><span class="facts">{facts}</span>'
            f'<button class="loop" type="button" aria-pressed="false">Loop</button>'
            f'<a class="button" download="{_file_name(piece.name)}.mid" href="{midi}">MIDI</a></div>'
            f'<div class="scroll"><div class="roll">{image}<div class="cursor"></div></div></div>{details}</article>'
        )

    def write(self) -> str:
        """The page."""
        files = resources.files("drumjax.report")
        template = string.Template(files.joinpath("page.html").read_text("utf-8"))
        text = template.substitute(
            title=html.escape(self.title),
            subtitle=html.escape(self.subtitle),
            style=files.joinpath("page.css").read_text("utf-8"),
            script=files.joinpath("page.js").read_text("utf-8"),
            body="\n".join(self._parts),
            footer=html.escape(FOOTER.format(version=__version__)),
            sounds=_embed(self._sounds),
            pieces=_embed(self._pieces),
        )
        return text.encode("utf-8", "backslashreplace").decode()  # bytes of names that are no text become escapes

    def _events(self, piece: Piece, picture: Picture) -> dict[str, Any]:
        """What page.js plays; see hit() there."""
        song, seconds = piece.song, 60 / piece.song.tempo_bpm
        notes = []
        for onset, duration, pitch, velocity in zip(*song.notes[:4], strict=True):
            sound, rate = self._sound_of(int(pitch))
            if not sound:
                continue
            gain = round((float(velocity) / 127) ** 1.6, 3)
            length = 0 if self.kit else round(float(duration) * seconds, 3)
            notes.append([round(float(onset) * seconds, 4), sound, gain, rate, length, CHOKES.get(sound, "")])
        length = piece.num_bars * song.beats_per_bar * seconds
        return {
            "notes": notes,
            "seconds": round(length, 4),
            "left": round(picture.left, 5),
            "right": round(picture.right, 5),
        }

    def _sound_of(self, pitch: int) -> tuple[str, float]:
        """The sound of a pitch, embedded at its first use, and how fast to play it; "" for a pitch that is no drum."""
        if self.kit:
            drum = int(self.kit.class_table()[pitch])
            name, rate = (self.kit.names[drum], 1.0) if drum >= 0 else ("", 1.0)
        else:
            nearest = PITCH_STEP * round(pitch / PITCH_STEP)
            name, rate = f"note {nearest}", round(2 ** ((pitch - nearest) / 12), 5)
        if name and name not in self._sounds:
            samples = drum_sound(name) if self.kit else note_sound(PITCH_STEP * round(pitch / PITCH_STEP))
            self._sounds[name] = base64.b64encode(to_wav(samples)).decode()
        return name, rate


def _text(song: Song, kit: Kit | None) -> str:
    """ "" for a metre that does not fit the 16ths of a tab."""
    try:
        return write_text(song, kit)
    except ValueError:
        return ""


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _embed(value: Any) -> str:
    """JSON that can stand in a script element."""
    return to_strict_json(value, separators=(",", ":")).replace("<", "\\u003c")


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
