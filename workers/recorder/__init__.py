"""The worker that joins a channel and tapes it."""
