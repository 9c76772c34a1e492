"""The old name of disagree/tables.py."""

from rlprobe.reporting.disagree.tables import TABLES as TABLES
