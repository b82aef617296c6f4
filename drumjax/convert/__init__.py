"""Files of music in another form: `python -m drumjax.convert`."""
