def prompt_text(q): return f"Question: {q}\nAnswer:"
