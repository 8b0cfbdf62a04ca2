"""The terminal. The only place that imports typer or rich, prints, or exits."""
