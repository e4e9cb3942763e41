"""The embedded media server: WHIP in, WHEP out, presence; it forwards packets and decodes none."""
