"""What counting alone predicts."""
