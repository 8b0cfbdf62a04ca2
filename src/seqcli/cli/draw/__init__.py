"""Drawing values: as text in the terminal, as pictures in .svg and .png files, and as HTML pages."""
