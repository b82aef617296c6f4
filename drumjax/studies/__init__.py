"""Single questions about a run: `python -m drumjax.studies.<name>`."""
