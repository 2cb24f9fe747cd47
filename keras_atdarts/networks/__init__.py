"""The derived network, what it is worth, and its export."""
