"""The arithmetic of cells: one reference, and backends that compute it faster."""
