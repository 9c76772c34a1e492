"""What `rlprobe intervene` shows."""
