"""Measuring: what a farm does with recordings that last for hours."""
