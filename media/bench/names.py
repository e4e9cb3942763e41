"""Who takes part."""

OURS, JANUS, BARE, RECORDER = "tapefarm", "janus", "aiortc", "mediarecorder"
NAMES = (OURS, JANUS, BARE, RECORDER)
TITLES = {
    OURS: "tapefarm, tape written",
    JANUS: "Janus, record: true",
    BARE: "aiortc, not decoding",
    RECORDER: "aiortc, MediaRecorder",
}
# Which side of this host they listen on, as a channel URL.
URLS = dict.fromkeys(NAMES, "room+http://127.0.0.1") | {JANUS: "janus+ws://127.0.0.1"}
# Audio tracks and video tracks that one core carries; beyond it, overload would be compared.
MOST = {OURS: (1400, 800), JANUS: (400, 200), BARE: (100, 60), RECORDER: (20, 6)}
