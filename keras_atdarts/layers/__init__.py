"""Plain Keras layers: attention, stages, batch norm, heads, drop path."""
