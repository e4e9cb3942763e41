"""A recording as a value: what was asked for, its states, its errors."""
