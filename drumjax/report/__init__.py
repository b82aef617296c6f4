"""Pages, plots, pictures and sounds to look at and listen to."""
