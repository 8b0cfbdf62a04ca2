"""Vectors of the words of a text, by skip-gram or CBOW."""
