"""What `rlprobe patch` shows."""
