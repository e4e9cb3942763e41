"""Measuring: what a recorder costs, beside others that receive the same packets."""
