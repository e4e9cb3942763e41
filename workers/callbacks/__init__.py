"""Notices to customers: signed, retried, never lost."""
