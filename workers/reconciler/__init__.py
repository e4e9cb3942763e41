"""Finds what was forgotten and asks for it again."""
