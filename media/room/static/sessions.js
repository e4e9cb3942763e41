// WHIP and WHEP sessions of the browser: one RTCPeerConnection each, nothing trickled.

const GATHERING_MS = 1000;

async function gathered(connection) {
  if (connection.iceGatheringState === "complete") return;
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHERING_MS);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  return new Error(problem.detail || problem.title || `the room answered ${response.status}`);
}

class Session {
  constructor() {
    this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.location = null;
    this.closed = false;
  }

  async start(url) {
    await this.connection.setLocalDescription();
    await gathered(this.connection);
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: this.connection.localDescription.sdp,
    });
    if (response.status !== 201) throw await refusal(response);
    this.location = new URL(response.headers.get("Location"), response.url);
    if (this.closed) return this.tellLeft();
    await this.connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  onLost(callback) {
    this.connection.addEventListener("connectionstatechange", () => {
      if (!this.closed && this.connection.connectionState === "failed") callback();
    });
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.connection.close();
    this.tellLeft();
  }

  tellLeft() {
    // keepalive lets this reach the room even while the page is being closed.
    if (this.location) fetch(this.location, { method: "DELETE", keepalive: true }).catch(() => {});
  }
}

function query(source) {
  return source === "screen" ? "?source=screen" : "";
}

function path(verb, channel, uid) {
  return `/${verb}/${encodeURIComponent(channel)}/${encodeURIComponent(uid)}`;
}

export class Publication extends Session {
  constructor(stream, { codec } = {}) {
    super();
    this.stream = stream;
    for (const track of stream.getTracks()) {
      const transceiver = this.connection.addTransceiver(track, { direction: "sendonly", streams: [stream] });
      if (codec && track.kind === "video") this.prefer(transceiver, codec);
    }
  }

  prefer(transceiver, codec) {
    const all = RTCRtpSender.getCapabilities("video").codecs;
    const wanted = `video/${codec}`.toLowerCase();
    const first = all.filter((one) => one.mimeType.toLowerCase() === wanted);
    if (first.length) transceiver.setCodecPreferences([...first, ...all.filter((one) => !first.includes(one))]);
  }

  publish(channel, uid, source) {
    return this.start(path("whip", channel, uid) + query(source));
  }

  async mute(kind, muted) {
    // The room withholds what is sent while muted: be silent from before to after.
    const enable = (enabled) => {
      for (const track of this.stream.getTracks()) if (track.kind === kind) track.enabled = enabled;
    };
    if (muted) enable(false);
    const response = await fetch(`${this.location}/mute`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ kind, muted }),
    });
    if (!response.ok) throw await refusal(response);
    if (!muted) enable(true);
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop();
    super.close();
  }
}

export class Subscription extends Session {
  constructor(kinds) {
    super();
    this.stream = new MediaStream();
    for (const kind of kinds) {
      const { receiver } = this.connection.addTransceiver(kind, { direction: "recvonly" });
      this.stream.addTrack(receiver.track);
    }
  }

  subscribe(channel, uid, source) {
    return this.start(path("whep", channel, uid) + query(source));
  }

  loudness() {
    const levels = this.connection
      .getReceivers()
      .filter((receiver) => receiver.track.kind === "audio")
      .flatMap((receiver) => receiver.getSynchronizationSources())
      .map((source) => source.audioLevel ?? 0);
    return Math.max(0, ...levels);
  }
}
