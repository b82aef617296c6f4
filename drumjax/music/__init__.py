"""Notes, drums and tabs, in numpy alone."""
