"""From scores to tokens, blind to the model."""
