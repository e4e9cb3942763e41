"""RTP payload formats: from payloads to frames, one file per format.  Pure."""
