"""The worker that brings files to the bucket and keeps the playlists."""
