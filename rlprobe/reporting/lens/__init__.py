"""What `rlprobe lens` shows."""
