"""Compare a base language model with the RL model trained from it, token by token."""

__version__ = "0.1.0"
