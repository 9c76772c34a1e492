"""`python -m rlprobe` is `rlprobe`."""

from rlprobe.cli import main

main()
