"""What competes, one module per library and kind of work; each runs in a process of its own."""
