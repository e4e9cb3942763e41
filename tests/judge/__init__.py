"""Judges of what a farm delivers, beside ``media.judge``."""
