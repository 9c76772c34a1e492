"""What `rlprobe signals` shows."""
