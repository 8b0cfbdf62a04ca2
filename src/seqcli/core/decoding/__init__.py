"""Decoding: turning a model's scores into tokens, by sampling or by search. Nothing here depends on a kind of model."""
