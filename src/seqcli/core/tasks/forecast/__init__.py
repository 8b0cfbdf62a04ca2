"""Forecasting: the values of series of numbers, to come."""
