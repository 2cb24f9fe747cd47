"""Optimizers, losses, accumulated gradients and recomputed activations."""
