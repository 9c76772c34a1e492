"""Tables, figures and the text at the terminal, drawn from a summary. Knows no models and no disk.

One folder a command, each with the same three files: tables.py, figures.py and text.py. What they stand on is here:
formats.py (numbers and tables), drawing.py (figures), terminal.py (text).
"""
