"""Tables in, tables out: what a token table says about a pair. Knows no torch, no models, no disk and no plots."""
