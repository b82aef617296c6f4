"""Knows no music: errors, files, locks, downloads, devices, signals, the terminal."""
