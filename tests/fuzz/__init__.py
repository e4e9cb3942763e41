"""Hostile packets: seeded mutations of real ones, through everything that reads packets."""
