"""The command line of a program: flags in sections, a --help that shows them so, and one line for a mistake."""

import contextlib
import difflib
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from absl import flags

from drumjax.system.console import run_or_explain


def asks_for_help(argv: Sequence[str]) -> bool:
    return not {"-h", "-help", "--help", "--helpfull", "--helpshort"}.isdisjoint(argv[1:])


class CommandLine:
    """The flags of one program, whose values are in `values`, a FlagValues of absl.

    usage    how it is called, a line or more
    aliases  what other programs call a flag, and its name here
    """

    def __init__(self, usage: str, aliases: Mapping[str, str]):
        self.usage, self.aliases = usage, aliases
        self.values = flags.FlagValues()
        self.sections: dict[str, list[str]] = {}
        self.notes: dict[str, str] = {}

    @contextlib.contextmanager
    def section(self, title: str, note: str = "") -> Iterator[flags.FlagValues]:
        """The flags that are defined inside stand under this title, and under them the note."""
        before = set(self.values)
        yield self.values
        self.sections[title], self.notes[title] = [name for name in self.values if name not in before], note

    def parse(self, argv: Sequence[str]) -> None:
        """Sets `values`. Ends the program with status 0 for --help, and with 1 and one line for a mistake."""
        if asks_for_help(argv):
            sys.exit(run_or_explain(lambda: print(self.help())))
        try:
            rest = self.values(list(argv))
        except flags.UnrecognizedFlagError as error:
            sys.exit(f"error: there is no flag --{error.flagname}; {self._hint(error.flagname)}")
        except flags.Error as error:
            sys.exit(f"error: {' '.join(str(error).split())}")
        if len(rest) > 1:
            sys.exit(f"error: unexpected argument {rest[1]!r}; flags start with --")

    def help(self) -> str:
        """The flags by section, with their defaults, as wide as the terminal."""
        width = min(100, shutil.get_terminal_size().columns)
        lines = [self.usage]
        for title, names in self.sections.items():
            lines += ["", f"{title}:"]
            for name in names:
                lines += _describe(self.values[name], width)
            lines += textwrap.wrap(self.notes[title], width, initial_indent="  ", subsequent_indent="  ")
        return "\n".join(lines)

    def _hint(self, name: str) -> str:
        names = [name for names in self.sections.values() for name in names]
        close = self.aliases.get(name) or next(iter(difflib.get_close_matches(name, names, 1)), None)
        return f"did you mean --{close}?" if close else "--help lists them"


def _describe(flag: flags.Flag, width: int) -> list[str]:
    """`--bars=8  Bars of each piece, 1..1000.`, its help beside it or below."""
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}={flag.name.upper()}"
    text = " ".join((flag.help or "").split())
    if not flag.boolean and flag.default not in (None, ""):
        text = f"{text.rstrip('.')} (default {flag.default})."
    indent = " " * 31
    lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent) or [""]
    head = f"  {name}"
    return [head.ljust(31) + lines[0][31:], *lines[1:]] if len(head) < 31 else [head, *lines]
