"""Packets, tracks, frames, files and time.  Knows no Redis, Celery, Flask or S3."""
