"""What `rlprobe consequences` shows."""
