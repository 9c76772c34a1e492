"""What `rlprobe report` draws: one self-contained page of a run, and one response of it for a notebook.

    glyphs.py      a token -> what can be seen of it
    scales.py      numbers -> 8 bits
    payload.py     one response -> what the page keeps of it
    problems.py    the line of one problem in the list
    tables.py      the tables of a run, read back
    chunks.py      payloads -> compressed chunks, within the page or in files beside it
    page.py        everything together -> HTML
    token_view.py  one response -> HTML for a notebook

page.html.jinja, *.css and *.js are the page itself. Knows no models and no disk.
"""
