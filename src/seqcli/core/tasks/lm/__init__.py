"""A recurrent language model of a text, or of a list of lines."""
