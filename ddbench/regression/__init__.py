"""Results held against a baseline: what became worse, what is missing, what cannot be compared."""
