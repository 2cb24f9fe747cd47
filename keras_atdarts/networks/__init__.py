"""The derived network, what it is worth, its export, and imported weights."""
