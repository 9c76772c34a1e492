"""What `rlprobe passk` shows, and `rlprobe sample` of pass@k: tables, a figure, and words at the terminal."""
