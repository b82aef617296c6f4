"""Row 8, controls: what is asked for, and what it costs: guidance, the best of several, as files or packed."""

from benchmarks.contest import Contest, Entry
from benchmarks.options import Options

BARS = 8
CASES = {"as drawn": {}, "--guidance 1.5": {"guidance": 1.5}, "--best_of 4": {"best_of": 4}}
FORMATS = ("midi", "parquet")


def contests(options: Options) -> list[Contest]:
    batch, files = (4, 4) if options.quick else (64, 1024)
    make = "benchmarks.contenders.drumjax_sample:play"
    asked = {"model": "rock", "batch": batch, "bars": BARS}
    drawn = [Entry(name, make, {**asked, "controls": controls}, batch) for name, controls in CASES.items()]
    command = "benchmarks.contenders.drumjax_command:command"
    case = {"folder": f"{options.folder}/formats", "num_samples": files, "bars": 2}
    written = [
        Entry(f"--format {form}", command, {**case, "form": form}, files, needs=("pyarrow",) * (form == "parquet"))
        for form in FORMATS
    ]
    return [
        Contest("controls", f"{batch} grooves of {BARS} bars", "grooves/s", tuple(drawn), baseline="as drawn"),
        Contest("controls", f"the command, {files} grooves of 2 bars", "grooves/s", tuple(written),
                baseline="--format midi"),
    ]  # fmt: skip
