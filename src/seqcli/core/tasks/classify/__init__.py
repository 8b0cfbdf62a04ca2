"""Classification: one label for every text."""
