"""Where a trained network looks, and what its attention is worth."""
