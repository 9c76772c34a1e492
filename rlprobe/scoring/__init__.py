"""Both models read the same ids: the one place where tensors become a table."""
