"""Tables, figures and the text at the terminal, drawn from a summary. Knows no models and no disk."""
