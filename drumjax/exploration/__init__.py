"""The data doctor: what is in a dataset, what is wrong with it, and what to do about it. One question a file."""
