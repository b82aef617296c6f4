"""For the reference: lines of a docstring such as `songs    how many there are` become a list, as they are meant."""

import re
from typing import Any

import griffe


class DocstringLists(griffe.Extension):
    """Rewrites the paragraphs of all docstrings before they are shown."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = write_lists(obj.docstring.value)


def write_lists(text: str) -> str:
    """The text with a list in the place of each paragraph of two columns set apart by two blanks or more."""
    return "\n\n".join(_write_list(part) or part for part in text.split("\n\n"))


def _write_list(paragraph: str) -> str:
    """The list, "" for a paragraph that is none."""
    items: list[list[str]] = []
    for line in paragraph.split("\n"):
        match = re.fullmatch(r"([A-Za-z_][\w/<>]*(?:, \w+)*) {2,}(\S.*)", line)
        if match:
            items.append([match[1], match[2]])
        elif items and line.startswith("   "):  # goes on
            items[-1][1] += f" {line.strip()}"
        else:
            return ""
    return "\n".join(f"- `{name}`: {words}" for name, words in items)
