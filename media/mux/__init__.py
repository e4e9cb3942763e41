"""Containers and playlists: MPEG-TS, WebM, M3U8."""
