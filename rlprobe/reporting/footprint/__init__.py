"""What `rlprobe footprint` shows."""
