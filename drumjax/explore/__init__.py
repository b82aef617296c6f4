"""What is in a dataset: `python -m drumjax.explore`."""
