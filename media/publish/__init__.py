"""`tapefarm publish`: a test publisher for any channel."""
