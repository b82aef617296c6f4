"""Flags in sections, and what is said of a mistake."""

import pytest
from absl import flags

from drumjax.system.command_line import CommandLine


@pytest.fixture
def line():
    line = CommandLine("python play.py --bars=8", {"tempo": "bpm"})
    with line.section("What is played", "All is optional.") as values:
        flags.DEFINE_integer("bpm", 120, "Quarter notes per minute.", flag_values=values)
        flags.DEFINE_boolean("tab", True, "Print it.", flag_values=values)
    with line.section("Where it goes") as values:
        flags.DEFINE_string("out_dir", "", "A folder. " * 12, flag_values=values)
    return line


def ends_with(line, *argv):
    with pytest.raises(SystemExit) as caught:
        line.parse(["play.py", *argv])
    return caught.value.code


def test_values(line):
    line.parse(["play.py", "--bpm=90", "--notab"])
    assert (line.values.bpm, line.values.tab, line.values.out_dir) == (90, False, "")


@pytest.mark.parametrize("flag", ["--help", "-h", "-help", "--helpfull"])
def test_help_is_by_section_and_no_failure(line, capsys, flag):
    assert ends_with(line, "--nonsense", flag) == 0
    text = capsys.readouterr().out
    assert text.startswith("python play.py --bars=8\n\nWhat is played:\n  --bpm=BPM ")
    assert text.index("--bpm=BPM") < text.index("--[no]tab") < text.index("All is optional.") < text.index("Where it")
    assert "(default 120)" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("flag", "hint"),
    [("--tempo=9", "--bpm"), ("--bmp=9", "--bpm"), ("--outdir=x", "--out_dir"), ("--nonsense", "--help")],
)
def test_an_unknown_flag_points_to_the_one_that_is_meant(line, flag, hint):
    message = ends_with(line, flag)
    assert message.startswith(f"error: there is no flag {flag.partition('=')[0]}; ")
    assert hint in message.partition(";")[2]


@pytest.mark.parametrize(
    ("argv", "words"), [(["--bpm=fast"], "bpm=fast"), (["surplus"], "'surplus'"), (["--bpm"], "bpm")]
)
def test_a_mistake_is_one_line(line, argv, words):
    message = ends_with(line, *argv)
    assert message.startswith("error: ")
    assert words in message
    assert "\n" not in message
