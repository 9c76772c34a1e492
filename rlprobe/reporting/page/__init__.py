"""What `rlprobe report` draws: one self-contained page of a run, and one response of it for a notebook.

    glyphs.py      a token -> what can be seen of it
    scales.py      numbers -> 8 bits
    payload.py     one response -> what the page keeps of it
    problems.py    the line of one problem in the list
    places.py      the list of all disagreements
    answer.py      the numbers of the first screen, each with its table
    tables.py      the tables of a run, read back
    chunks.py      payloads -> compressed chunks, within the page or in files beside it
    page.py        everything together -> HTML
    views.py       what tokens can be coloured by, and the words of their marks, for both
    passage.py     a token table, or an arm's rollout -> one response as a token view shows it
    card.py        the card of a token as text
    token_view.py  one response -> HTML for a notebook
    in_terminal.py one response -> text for a terminal or a pipe

page.html.jinja, *.css and *.js are the page itself. Knows no models and no disk.
"""
