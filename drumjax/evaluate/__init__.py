"""How good a run is: `python -m drumjax.evaluate`."""
