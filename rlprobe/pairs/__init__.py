"""Which two models are compared, whether they can be, and how they are loaded."""
