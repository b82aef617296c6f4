"""The two programs, train and sample: their flags, and what they call. `run_train.py`, `run_sample.py` start them."""
