"""The pictures of performances in these pages: `python docs/draw_song.py samples/000003.mid docs/piano.png`."""

import argparse
from pathlib import Path

from drumjax.midi.reader import read_midi
from drumjax.music.kits import GENERAL_MIDI
from drumjax.report.roll_picture import draw_roll
from drumjax.system.files import write_atomically


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("song", type=Path, help="a MIDI file")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--bars", type=int, default=8, help="how many bars of it")
    flags = parser.parse_args()
    song = read_midi(flags.song, instrument="all")
    write_atomically(flags.picture, draw_roll(song, flags.bars, GENERAL_MIDI if song.is_drums else None))


if __name__ == "__main__":
    main()
