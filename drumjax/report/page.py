"""HTML pages of tables, pictures and pieces to listen to: one file that needs no network and, unless its pieces are too
many, no other file."""

import base64
import html
import string
from collections.abc import Sequence
from importlib import resources
from typing import Any

from drumjax import __version__
from drumjax.music.kits import Kit
from drumjax.report.piece import Given, Piece, make_lane
from drumjax.system.strict_json import to_strict_json

# What draws and plays the pieces, in the order in which it runs.
SCRIPTS = ("synth.js", "player.js", "roll.js", "card.js", "pager.js", "toolbar.js")
PAGE_MARK = b"Made by drumjax"  # in every page
FOOTER = (
    "Made by drumjax {version}. What you hear is a small synthesis in this page, not a real instrument: "
    "load the MIDI files into a sampler for that."
)


class Page:
    """Collects sections, then is written. With a kit pieces are drums, without one notes with pitches."""

    def __init__(self, title: str, subtitle: str, kit: Kit | None):
        self.title, self.subtitle, self.kit = title, subtitle, kit
        self._parts: list[str] = []
        self._lists: list[dict[str, Any]] = []
        self._given: list[dict[str, Any]] = []
        self._signs: set[str] = set()  # what the legend explains
        self._is_listing = False

    def begin(self, title: str, note: str = "") -> None:
        """A heading, and a sentence under it."""
        text = f'<p class="note">{html.escape(note)}</p>' if note else ""
        self._add(f"<section><h2>{html.escape(title)}</h2>{text}</section>")

    def add_table(self, rows: Sequence[Sequence[str]], strong: Sequence[str] = (), bad: Sequence[str] = ()) -> None:
        """A table; the first row names the columns. Rows whose first cell ends as one of `strong` stand out, and
        cells that are one of `bad` are red."""
        head, *body = [[html.escape(cell) for cell in row] for row in rows]
        names = "".join(f'<th scope="col">{cell}</th>' for cell in head)
        top = f"<thead><tr>{names}</tr></thead>" if any(head) else ""
        lines = []
        for row in body:
            kind = ' class="model"' if strong and row[0].endswith(tuple(strong)) else ""
            cells = [f'<td class="bad">{cell}</td>' if cell in bad else f"<td>{cell}</td>" for cell in row]
            lines.append(f"<tr{kind}>{''.join(cells)}</tr>")
        table = "\n".join(lines)
        self._add(f'<div class="plain scroll"><table>{top}<tbody>{table}</tbody></table></div>')

    def add_lines(self, lines: Sequence[str]) -> None:
        """A list of remarks."""
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        self._add(f'<div class="plain"><ul>{items}</ul></div>')

    def add_picture(self, png: bytes, caption: str) -> None:
        """A picture, with what it shows as its caption."""
        text = html.escape(caption)
        url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        image = f'<img src="{url}" alt="{text}">'
        self._add(f'<div class="plain"><figure>{image}<figcaption class="note">{text}</figcaption></figure></div>')

    def add_given(self, given: Given) -> int:
        """Music that pieces were made from; returns its place, for Piece.given."""
        self._given.append(make_lane(given.song, self.kit, given.num_bars, given.label))
        return len(self._given) - 1

    def add_piece(self, piece: Piece) -> None:
        """A picture of the piece with a button to play it, its MIDI file, and its tab if it is drums."""
        if not self._is_listing:
            self._add_list({"pieces": []})
            self._is_listing = True
        pieces = self._lists[-1]["pieces"]
        pieces.append(self.encode_piece(piece, len(pieces)))

    def encode_piece(self, piece: Piece, number: int = 0) -> dict[str, Any]:
        """The piece as data, to be given to the page in a file beside it; see add_index."""
        signs = {"fill": piece.fills, "seam": piece.seam, "new": piece.is_new is not None and piece.is_new.any()}
        self._signs |= {name for name, is_there in signs.items() if is_there}
        return piece.as_data(number, self.kit)

    def add_index(self, index: dict[str, Any]) -> None:
        """Pieces that lie in files beside the page, `chunk` to a file of `folder`, see encode_chunk: their `numbers`,
        and `which` of the `facts` is said of each."""
        self._add_list({"index": index})

    def write(self) -> str:
        """The page."""
        files = resources.files("drumjax.report")
        kit = {"names": self.kit.names, "symbols": self.kit.symbols} if self.kit else None
        data = {"kit": kit, "given": self._given, "lists": self._lists, "signs": sorted(self._signs)}
        text = string.Template(files.joinpath("page.html").read_text("utf-8")).substitute(
            title=html.escape(self.title),
            subtitle=html.escape(self.subtitle),
            style=files.joinpath("page.css").read_text("utf-8"),
            script="\n".join(files.joinpath(name).read_text("utf-8") for name in SCRIPTS) if self._lists else "",
            body="\n".join(self._parts),
            footer=html.escape(FOOTER.format(version=__version__)),
            data=_embed(data),
        )
        return text.encode("utf-8", "backslashreplace").decode()  # bytes of names that are no text become escapes

    def _add(self, part: str) -> None:
        self._parts.append(part)
        self._is_listing = False

    def _add_list(self, source: dict[str, Any]) -> None:
        self._add(f'<div data-list="{len(self._lists)}"></div>')
        self._lists.append(source)


def encode_chunk(name: str, pieces: Sequence[dict[str, Any]]) -> bytes:
    """The script file of some pieces of an index; `name` is its address from the page."""
    text = f"// {PAGE_MARK.decode()} {__version__}\ndrumjaxChunk({_embed(name)}, {_embed(list(pieces))});\n"
    return text.encode("utf-8", "backslashreplace")


def _embed(value: Any) -> str:
    """JSON that can stand in a script element."""
    return to_strict_json(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
