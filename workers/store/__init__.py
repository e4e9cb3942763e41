"""The farm's state in Redis."""
