"""Training: from a base model to an RL model. Nothing else imports this room; the extra `[train]` brings its needs."""
