"""Tagging: one tag for every word of a sentence."""
