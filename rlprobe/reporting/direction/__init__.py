"""What `rlprobe direction` shows."""
