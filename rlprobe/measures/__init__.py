"""Logits in, numbers out: log-probabilities, ranks, entropies and divergences in float32, for one position or millions.

    head.py        last hidden states -> logits, with float32 accuracy whatever the dtype of the weights
    ranking.py     the tie rule, and what follows from it: best tokens, ranks, the greedy choice
    passes.py      the sums over the whole vocabulary, plain or compiled
    learned.py     a weighted sum of what one model alone says: the log-odds of disagreement
    tokens.py      two models' hidden states -> the numbers of the token table, slice by slice

Knows no text, no problems and no disk. Logarithms are natural: everything is in nats, at temperature 1.
"""
