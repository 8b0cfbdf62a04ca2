"""Training: the loop, and what it uses: budget, schedule, optimizers, weight averages, device, checkpoints."""
