"""The commands from Python: the same settings by the same names, and results to go on with.

    import rlprobe as rp

    rp.pair("bundled")                                 # what is compared; shows itself in a notebook
    found = rp.disagree(pair="bundled", limit=20)      # what `rlprobe disagree --pair bundled --limit 20` does
    found.tokens                                       # one row per response position, a DataFrame
    found.tables["classes"]                            # a table as it is read; found.numbers for full precision
    found.view("word-0003", "rl")                      # a response, every token marked

    commands.py   one function a command
    options.py    their signatures and the words for each option, from the settings and the command line
    results.py    a run directory that can be looked at
    pair.py       a pair before its weights are loaded, and what has a name

A keyword is called like the option of the command (`max_new_tokens`, `class_k`, ...). Progress is said on standard
error, as on the command line; errors are those of rlprobe/errors.py. Whatever a command keeps in its run directory,
the same command finds again, from Python or not. `import rlprobe` imports none of this: rlprobe/__init__.py does, when
somebody first asks for a name.
"""
