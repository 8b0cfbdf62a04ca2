"""One paper or idea a file."""
