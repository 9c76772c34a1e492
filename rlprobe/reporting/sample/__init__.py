"""What `rlprobe sample` shows: tables, a figure, and words at the terminal."""
