"""Figures from plain Python values."""
