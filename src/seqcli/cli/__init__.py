"""The command line. Nothing outside of this folder imports typer or rich, prints, or exits."""
