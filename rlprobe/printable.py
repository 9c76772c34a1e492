"""Text of data as a terminal may show it: nothing that moves the cursor, hides what follows or turns its order around.

A question, a token or the name of a model may hold such characters; what reaches a terminal passes through here. Knows
nothing of what the text means.
"""

import re

# C0 and C1 controls but newline and tab, lone surrogates, line and paragraph separators, marks that reverse the order
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with every unfit character written as Python would write it: ESC as \\x1b. Idempotent."""
    return _UNFIT.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def one_line(text: str) -> str:
    """The same with newlines and tabs escaped as well."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")
