"""The worker that makes segments from a tape range."""
