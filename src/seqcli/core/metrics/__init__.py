"""Metrics, computed from plain Python values and NumPy arrays."""
