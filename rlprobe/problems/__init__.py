"""Problem sets, the prompts they are asked with, and the grading of what comes back. Knows no models."""
