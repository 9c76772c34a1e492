"""What `rlprobe disagree` shows."""
