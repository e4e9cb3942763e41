"""Adapters to media servers: one file each, behind the seam in ``base``."""
