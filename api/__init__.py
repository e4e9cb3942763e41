"""HTTP: the dialects, the health pages and the command line."""
