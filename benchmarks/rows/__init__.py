"""What is measured, one module per row of the table; each gives the contests of its row."""
