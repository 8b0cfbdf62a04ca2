"""The loop and what it stands on: optimizer, schedule, averages, device, checkpoint."""
