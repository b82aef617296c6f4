"""Whatever is in a file, it is read or refused in 5 CPU seconds and 150 MB: for every instrument, with the pedal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from worst_midi import CASES

from drumjax.midi import walk

# How a file is read: instrument, pedal, and "parts", "messages" or "". Each in the way that keeps most of it, and every
# third one in one of the others.
MOST = ("all", True, "parts")
OTHERS = [
    ("drums", False, "messages"),
    ("drums", True, "parts"),
    ("all", False, ""),
    ("pitched", True, "messages"),
    ("program=0-100", True, ""),
    ("program=0", False, "parts"),
    ("track=a", True, "parts"),
]
CPU_SECONDS = 5
MEGABYTES = 150

# Reads a file in each way, with no more memory than it may take; prints a row (way, outcome, CPU seconds) for each.
CODE = """if True:
    import json, pathlib, resource, sys, time
    from drumjax.midi.reader import MidiError, read_midi, read_parts
    ways, path, megabytes = json.loads(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for instrument, sustain, how in ways:
        begin = time.process_time()
        try:
            if how == "parts":
                read_parts(path, instrument=instrument, sustain=sustain)
            else:
                read_midi(path, instrument=instrument, sustain=sustain, with_messages=how == "messages")
            outcome = "song"
        except MidiError as error:
            outcome = error.reason
        row = [f"{instrument} {sustain} {how}", outcome, time.process_time() - begin]
        print(json.dumps(row), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", CASES)
def test_the_worst_files_take_little_time_and_memory(name, tmp_path):
    expected, make = CASES[name]
    path = tmp_path / "worst.mid"
    path.write_bytes(make())
    number = list(CASES).index(name)
    ways = [MOST] if number % 3 else [MOST, OTHERS[number // 3 % len(OTHERS)]]
    command = [sys.executable, "-c", CODE, json.dumps(ways), str(path), str(MEGABYTES)]
    root = Path(walk.__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=280)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(ways)
    outcomes = {way: outcome for way, outcome, _ in rows}
    assert outcomes["all True parts"] == expected
    assert "unreadable" not in outcomes.values()
    seconds = {way: seconds for way, _, seconds in rows}
    assert max(seconds.values()) < CPU_SECONDS, seconds
