"""What `rlprobe flips` shows."""
