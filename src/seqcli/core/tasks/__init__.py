"""What can be learnt: one folder a task, and a registry of them."""
