"""All commands by one name: `drumjax sample --bpm 96`, where drumjax is installed, or `python -m drumjax sample`."""

import difflib
import importlib
import sys

import drumjax

# By command, the module whose main() it is, and what it does.
COMMANDS = {
    "sample": ("drumjax.commands.sample", "play a trained model, or work on music of your own"),
    "jobs": ("drumjax.jobs.__main__", "what of a large job is there, and what is missing"),
    "train": ("drumjax.commands.train", "train a model"),
    "population": ("drumjax.population", "train runs that differ in a few settings together"),
    "evaluate": ("drumjax.evaluate.__main__", "how good a model is"),
    "compare": ("drumjax.compare", "runs side by side"),
    "explore": ("drumjax.explore.__main__", "what is in a dataset"),
    "convert": ("drumjax.convert.__main__", "a MIDI file as a drum tab, and back"),
    "export": ("drumjax.export", "a run as one file to share"),
}


def describe() -> str:
    lines = [f"  {name:<12}{what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        ["drumjax COMMAND [--flags]", "", *lines, "", "drumjax COMMAND --help lists the flags of a command."]
    )


def main() -> int:
    """Hands the rest of the command line to a command, and returns its exit status."""
    command, *rest = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help", "help"):
        print(describe())
        return 0
    if command == "--version":
        print(f"drumjax {drumjax.__version__}")
        return 0
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
        print(f"error: there is no command {command!r}; {hint}", file=sys.stderr)
        return 1
    sys.argv = [sys.argv[0], *rest]
    status: int = importlib.import_module(COMMANDS[command][0]).main()
    return status


if __name__ == "__main__":
    raise SystemExit(main())
