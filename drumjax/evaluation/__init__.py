"""How good a model is: each file asks one question, most of them as `python -m drumjax.evaluation.<name>`."""
