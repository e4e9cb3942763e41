"""Tests; a package, so that they share `tests.judge` and the checkout is on the path."""
