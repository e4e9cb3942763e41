"""RTP and RTCP packets as bytes and values; pure."""
