"""drumjax: LSTMs that learn to play drums, in JAX."""

__version__ = "0.1.0"
