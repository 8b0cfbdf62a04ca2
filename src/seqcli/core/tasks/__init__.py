"""The tasks: what can be learned. Each has a folder of its own, and registry.py lists them."""
