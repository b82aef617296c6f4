"""A process that reads MIDI files for another: `python -m drumjax.data.read_worker`, started by song_reader.py.

Not a worker of multiprocessing, which runs the caller's script once more in each of its processes: a script without
`if __name__ == "__main__":` would train in all of them. Nothing but JSON and plain arrays passes between the two.
Each line of standard input names files; the answer on standard output is the length, in 8 bytes, of an npz of
packed_songs.pack_songs, and the npz. It ends with its parent, however that ends: its input is closed then.
"""

import io
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from drumjax.data.packed_songs import Result, pack_songs
from drumjax.midi.reader import MidiError, read_midi, read_parts


def read_file(path: str, instrument: str, sustain: bool, cut: bool) -> Result:
    """The song of a file, or its parts if it is to be cut (read_parts), or why there is none. Never raises: one bad
    file must not stop the others."""
    try:
        if cut:
            return read_parts(Path(path), instrument=instrument, sustain=sustain)
        return [read_midi(Path(path), instrument=instrument, sustain=sustain)]
    except MidiError as error:
        return error.reason
    except OSError as error:
        return f"cannot be read ({error.strerror or type(error).__name__})"
    except Exception as error:  # a defect of the reader, to be reported like one of the file
        return f"unexpected {type(error).__name__}"


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes our input
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library may print must not get between the answers
    for line in sys.stdin.buffer:
        job = json.loads(line)
        results = [read_file(path, job["instrument"], job["sustain"], job["cut"]) for path in job["paths"]]
        answer = io.BytesIO()
        np.savez(answer, allow_pickle=False, **pack_songs(results))
        try:
            answers.write(len(answer.getvalue()).to_bytes(8, "big") + answer.getvalue())
            answers.flush()
        except BrokenPipeError:  # the parent is gone
            return


if __name__ == "__main__":
    main()
