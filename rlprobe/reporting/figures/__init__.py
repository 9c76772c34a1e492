"""The figures of each command: functions of what it knows to a table, and of that table to ink."""
