"""What `rlprobe steer` shows."""
