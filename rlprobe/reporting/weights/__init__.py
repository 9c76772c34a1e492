"""What `rlprobe weights` shows."""
