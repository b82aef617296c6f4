"""Whatever is in a file, it is read or refused in 5 CPU seconds and 150 MB: for every instrument, with the pedal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from worst_midi import CASES

from drumjax.midi import walk

# How a file is read: instrument, pedal, and "parts", "messages" or "". Each in the way that keeps most of it, and every
# sixth one in one of the others.
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

# Reads files in a child each, so that libraries are imported once, with no more memory than it may take. A line in is
# [ways, path]; the line out has a row [way, outcome, CPU seconds] for each way, or says what went wrong.
CODE = """if True:
    import json, os, pathlib, resource, sys, time, traceback
    from drumjax.midi.reader import MidiError, read_midi, read_parts
    def read(ways, path, megabytes):
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # who does not come back is ended
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
            yield f"{instrument} {sustain} {how}", outcome, time.process_time() - begin
    for line in sys.stdin:
        ways, path = json.loads(line)
        if os.fork() == 0:
            try:
                found = list(read(ways, pathlib.Path(path), int(sys.argv[1])))
            except BaseException:
                found = traceback.format_exc()
            print(json.dumps(found), flush=True)
            os._exit(0)
        if status := os.waitstatus_to_exitcode(os.wait()[1]):
            print(json.dumps(f"exit status {status}"), flush=True)
"""


@pytest.fixture(scope="module")
def reader():
    """(ways, path) -> rows."""
    command, root = [sys.executable, "-c", CODE, str(MEGABYTES)], Path(walk.__file__).parents[2]
    # What is printed beside the rows, errors included, is none: then a line is no JSON.
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=root, text=True, **pipes) as process:

        def read(ways, path):
            process.stdin.write(json.dumps([ways, str(path)]) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield read
        process.stdin.close()
        assert process.wait(timeout=60) == 0


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", CASES)
def test_the_worst_files_take_little_time_and_memory(name, reader, tmp_path):
    expected, make = CASES[name]
    path = tmp_path / "worst.mid"
    path.write_bytes(make())
    number = list(CASES).index(name)
    ways = [MOST] if number % 6 else [MOST, OTHERS[number // 6 % len(OTHERS)]]
    rows = reader(ways, path)
    assert isinstance(rows, list), rows
    assert len(rows) == len(ways)
    outcomes = {way: outcome for way, outcome, _ in rows}
    assert outcomes["all True parts"] == expected
    assert "unreadable" not in outcomes.values()
    seconds = {way: seconds for way, _, seconds in rows}
    assert max(seconds.values()) < CPU_SECONDS, seconds
