"""Janus VideoRoom (1.x) as a channel: ``janus+ws://host:8188``, or ``janus+wss``."""
