"""MIDI files in and out; the only room that knows miditoolkit."""
