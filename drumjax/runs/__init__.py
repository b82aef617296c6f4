"""A run directory: its config, checkpoints and metrics; the only room that knows Orbax."""
