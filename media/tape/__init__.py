"""The tape: what a recorder heard, packet by packet, and how to read it again."""
