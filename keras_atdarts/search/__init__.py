"""The supernet, and how its alphas learn."""
