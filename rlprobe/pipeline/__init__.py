"""One file a command: read from a run, compute, write to it. prepare.py and stages.py hold what several share."""
