"""Kernels of our own for searching and training on CPUs, see `operations`."""
