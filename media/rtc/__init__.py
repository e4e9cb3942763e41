"""WebRTC connections; the only place that touches the inside of aiortc, aioice and pylibsrtp."""
