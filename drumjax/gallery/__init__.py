"""Pages to look at and listen to: one HTML file each, with pictures and sounds in it."""
