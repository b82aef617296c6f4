"""The tables of README.md, docs/ and benchmarks/README.md, of what lies in docs/figures and benchmarks/results: made
from these, never by hand.

    python docs/make_tables.py --add rock-seed0 rock.json         # what `python -m drumjax.evaluate --output` wrote
    python docs/make_tables.py --add control-seed0 control.json   # or `python -m drumjax.studies.controllability`
    python docs/make_tables.py                                    # fills the tables
    python docs/make_tables.py --check                            # exit status 1 if a table is out of date

A table stands between `<!-- table: name -->` and `<!-- end -->`.
"""

import argparse
import functools
import json
import operator
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import speed_tables

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
PAGES = ("README.md", "docs/results.md", "docs/speed.md", "benchmarks/README.md")
# Of an evaluation, what tables show: predictions of these groups, and means of what is played.
GROUPS = ("all", "as config.validation")
FIELDS = ("hits", "velocity", "offset")
PLAYERS = ("held out", "training", "model", "n-gram")

Figures = dict[str, Any]


def add(name: str, path: Path) -> Path:
    """Keeps what tables need of an evaluation or a study of control, without the machine's paths. Returns the file."""
    found = json.loads(path.read_text())
    kept = keep_evaluation(found) if "prediction" in found else keep_control(found)
    FIGURES.mkdir(exist_ok=True)
    target = FIGURES / f"{name}.json"
    target.write_text(json.dumps(kept, indent=1) + "\n")
    return target


def keep_evaluation(found: Figures) -> Figures:
    """Predictions of GROUPS, means of what is played, rhythms in common, bars copied, and how many pieces hold a
    beat."""
    return {
        "step": found["step"],
        "songs": found["songs"],
        "excerpts": found["excerpts"],
        "model": {
            row["group"]: {"songs": row["songs"], **{f: round(row[f]["nll"], 4) for f in FIELDS if f in row}}
            for row in found["prediction"]["model"]
            if row["group"] in GROUPS
        },
        "counting": {
            name: {row["group"]: round(row["nll"], 4) for row in rows if row["group"] in GROUPS}
            for name, rows in found["prediction"]["baselines"]["hits"].items()
        },
        "plays": {label(row): {p: round(row[p]["mean"], 4) for p in PLAYERS if p in row} for row in found["grooves"]},
        "common": {drum: {p: round(row[p], 4) for p in PLAYERS if p in row} for drum, row in found["patterns"].items()},
        "copied": {player: round(figures["copied"], 4) for player, figures in found["memory"].items()},
        "playability": {
            player: {name: round(value, 4) for name, value in figures.items()}
            for player, figures in found.get("playability", {}).items()
        },
    }


def label(row: Figures) -> str:
    """The figure, with its unit where that is not a mere range such as 0..1."""
    return row["figure"] if row["unit"][0].isdigit() else f"{row['figure']}, {row['unit']}"


def keep_control(found: Figures) -> Figures:
    """The rows without guidance and with it, rounded; not the single styles and players."""
    return {
        name: [
            {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items() if k != "by_name"} for row in rows
        ]
        for name, rows in found.items()
    }


def read(run: str) -> list[Figures]:
    """The figures of a run or study, one for each seed."""
    return [json.loads(path.read_text()) for path in sorted(FIGURES.glob(f"{run}-seed*.json"))]


def spread(values: list[float], digits: int = 3) -> str:
    """The mean, and ± half the distance of the lowest from the highest where there are several."""
    text = f"{sum(values) / len(values):.{digits}f}"
    return f"{text} ± {(max(values) - min(values)) / 2:.{digits}f}" if len(values) > 1 else text


def results_table() -> list[str]:
    """Predictions of held-out performances, nats: rock.py beside counting."""
    seeds = read("rock")
    rock, every = GROUPS[1], GROUPS[0]
    count = {group: seeds[0]["model"][group]["songs"] for group in GROUPS}
    lines = [
        f"| | hits, {count[rock]} rock beats | hits, all {count[every]} in 4/4 | velocity, rock | offset, rock |",
        "|---|---|---|---|---|",
    ]
    cells = [spread([seed["model"][group]["hits"] for seed in seeds]) for group in (rock, every)]
    cells += [spread([seed["model"][rock][field] for seed in seeds]) for field in ("velocity", "offset")]
    who = f"**`rock.py`**, {len(seeds)} seeds" if len(seeds) > 1 else "**`rock.py`**, one seed"
    lines.append(f"| {who} | **{cells[0]}** | **{cells[1]}** | {cells[2]} | {cells[3]} |")
    names = {
        "unigram": "the chord's frequency", "position in bar": "its frequency at that place in the bar",
        "n-gram": "n-gram of up to 16 steps", "0.4 copy + n-gram": "0.4 the chord a bar ago, 0.6 the n-gram",
        "n-gram + suffix pointer": "n-gram, and what followed similar moments of the song",
        "n-gram + suffix pointer, share by match": "the same, weighed by how similar they are",
    }  # fmt: skip
    for name, words in names.items():
        nats = seeds[0]["counting"][name]
        lines.append(f"| counting: {words} | {nats[rock]:.3f} | {nats[every]:.3f} | | |")
    return lines


def plays_table() -> list[str]:
    """What rock.py plays beside what people play."""
    seeds = read("rock")
    lines = ["| | " + " | ".join(f"**{p}**" if p == "model" else p for p in PLAYERS) + " |", "|---" * 5 + "|"]
    for figure in seeds[0]["plays"]:
        cells = []
        for player in PLAYERS:
            values = [seed["plays"][figure][player] for seed in seeds if player in seed["plays"][figure]]
            known = [value for value in values if value is not None]
            cells.append(spread(known, 2) if player == "model" and known else f"{known[0]:.2f}" if known else "")
        lines.append(f"| {figure} | {' | '.join(cells)} |")
    for drum in seeds[0]["common"]:
        common = [[seed["common"][drum].get(player) for seed in seeds] for player in PLAYERS]
        shares = ["" if None in values else spread(values, 2) if player == "model" else f"{values[0]:.2f}"
                  for player, values in zip(PLAYERS, common, strict=True)]  # fmt: skip
        lines.append(f"| one-bar rhythms in common with held out, {drum} | {' | '.join(shares)} |")
    copied = [[seed["copied"].get(player) for seed in seeds] for player in PLAYERS]
    shares = [f"{100 * sum(values) / len(values):.1f}%" if None not in values else "" for values in copied]
    lines.append(f"| bars copied from training | {' | '.join(shares)} |")
    return lines


def control_table() -> list[str]:
    """Requested and measured conditions, without guidance and with it; those that the figures have."""
    seeds = read("control")
    first = seeds[0]
    rows: list[tuple[str, str, list[str], int, int]] = []  # label, requested, keys of the figure, digits, scale
    scales = (("density", "notes per beat", 1), ("dynamics", "mean velocity", 1),
              ("steadiness", "similarity of neighbouring bars", 2), ("backbeat", "share of bars", 2))  # fmt: skip
    for name, unit, digits in scales:
        if "played" in first.get(name, [{}])[0]:
            levels = first[name][0]["played"]
            rows += [(f"{name}, {unit}", level, [name, "played", level], digits, 1) for level in levels]
            rows += [(f"{name}, rank correlation", "", [name, "rank_correlation"], 2, 1)]
    for keeper in first.get("timekeeper", [{}])[0].get("played", ()):
        rows += [("timekeeper as requested, % of the pieces", keeper, ["timekeeper", "played", keeper], 0, 100)]
    for name in ("style", "player"):
        if "chance" in first.get(name, [{}])[0]:
            names = f"one of {round(1 / first[name][0]['chance'])} {name}s"
            rows += [
                (f"{name}, recognized, %", names, [name, "samples_recognized"], 0, 100),
                ("the same of held-out performances, %", "", [name, "held_out_recognized"], 0, 100),
            ]
    rows += [
        ("toms and crash, % of the hits", "a fill", ["fill", "toms_in_fills"], 0, 100),
        ("toms and crash, % of the hits", "no fill", ["fill", "toms_elsewhere"], 0, 100),
    ]
    strengths = [row["guidance"] for row in first["density"]]
    titles = ["", "requested", *(f"guidance {strength:g}" for strength in strengths)]
    lines = [f"| {' | '.join(titles)} |".replace("|  |", "| |"), "|---" * len(titles) + "|"]
    for label, requested, (study, *keys), digits, scale in rows:
        cells = []
        for i in range(len(strengths)):
            values = [functools.reduce(operator.getitem, keys, seed[study][i]) for seed in seeds]
            cells.append(spread([scale * value for value in values], digits))
        lines.append(f"| {label} | {requested} | {' | '.join(cells)} |")
    return lines


def playable_table() -> list[str]:
    """Whether a band could play to what rock.py plays when asked for rock, and how various that is."""
    seeds = read("rock")
    columns = ("playable", "distinct", "first", "among_all")
    lines = [
        "| | pieces | playable | different bars of a piece | different first bars | different bars of all |",
        "|---|---|---|---|---|---|",
    ]
    for player, found in seeds[0]["playability"].items():
        cells = [spread([seed["playability"][player][name] for seed in seeds], 2) for name in columns]
        if player != "model":
            cells = [f"{found[name]:.2f}" for name in columns]
        name = f"**{player}**" if player == "model" else player
        lines.append(f"| {name} | {found['pieces']} | {' | '.join(cells)} |")
    return lines


TABLES: dict[str, Callable[[], list[str]]] = {
    "results": results_table, "plays": plays_table, "playable": playable_table, "control": control_table,
    **speed_tables.TABLES,
}  # fmt: skip


def fill(text: str) -> str:
    """The page with its tables made anew. Raises KeyError for a table that there is none of."""

    def write(match: re.Match[str]) -> str:
        return "\n".join([match[1], "", *TABLES[match[2]](), "", "<!-- end -->"])

    return re.sub(r"(<!-- table: (\w+) -->).*?<!-- end -->", write, text, flags=re.S)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--add", nargs=2, metavar=("NAME", "FILE"), help="keep an evaluation, such as rock-seed0")
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if a table is out of date")
    flags = parser.parse_args()
    if flags.add:
        print(add(flags.add[0], Path(flags.add[1]).expanduser()))
    stale = []
    for page in PAGES:
        path = ROOT / page
        text = path.read_text("utf-8")
        try:
            filled = fill(text)
        except KeyError as error:
            what = "add the evaluations anew with --add, or measure speed anew"
            print(f"error: {page}: its figures lack {error}; {what}", file=sys.stderr)
            return 1
        if filled != text:
            stale.append(page)
            if not flags.check:
                path.write_text(filled, "utf-8")
    if flags.check and stale:
        print(f"error: not what the figures say: {', '.join(stale)}; run python docs/make_tables.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
