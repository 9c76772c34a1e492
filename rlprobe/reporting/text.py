"""The old name of disagree/text.py."""

from rlprobe.reporting.disagree.text import show as show
