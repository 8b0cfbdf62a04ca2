"""The commands, one short file for each: it reads options, calls the engine in core, and prints the result."""
