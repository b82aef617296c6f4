"""From a config to checkpoints; the only room that knows optax."""
