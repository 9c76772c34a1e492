"""Ids in, ids out: the lanes that every read goes through, and the engine that decodes with them."""
