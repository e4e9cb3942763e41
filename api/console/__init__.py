"""The farm's own API: what no dialect has a word for."""
