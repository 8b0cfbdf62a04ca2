"""A label for every text."""
