"""Explanations: where a trained network looks, and what its attention is worth."""
