"""Values as pictures: in the terminal, in a file, on a page."""
