"""Training: from a base model to an RL model. `rlprobe train` alone imports it; it needs the extra `[train]`."""
