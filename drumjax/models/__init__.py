"""What predicts the next token; the only room that knows flax."""
