"""From what is asked to songs: controls, edits, requests, the compiled sampler."""
