"""``tapefarm bench``: the commands, and what is measured of a whole farm."""
