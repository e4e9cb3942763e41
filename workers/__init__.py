"""Recordings: their state, their queues, and the processes that work on them."""
