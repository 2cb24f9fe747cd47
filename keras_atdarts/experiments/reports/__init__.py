"""Runs told to their reader: the numbers, and a page that shows them."""
