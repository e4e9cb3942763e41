// Notes what the camera and the microphone give to the page, before anything is sent of it:
//   sound   [seconds of samples before, capture clock, peak] of each piece, as a rule 10 ms
//   frames  [capture clock, how far the pie is turned (0 to 1 and a bit)] of each picture
{
  const STEP = 4; // pixels: every fourth of every fourth line says enough
  const LIT = 128; // of the luma; the pie has 255, its ground 0
  const noted = (window.noted = { sound: [], frames: [], connections: [] });
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);

  devices.getUserMedia = async (wish) => {
    const stream = await ask(wish);
    for (const track of stream.getAudioTracks()) read(track, 1000, hear());
    for (const track of stream.getVideoTracks()) read(track, 20, see);
    return stream;
  };

  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) {
      super(...options);
      noted.connections.push(this);
    }
  };

  noted.sent = async () => {
    let pictures = 0;
    for (const connection of noted.connections)
      for (const row of (await connection.getStats()).values())
        if (row.type === "outbound-rtp" && row.kind === "video") pictures += row.framesSent;
    return pictures;
  };

  async function read(track, waiting, note) {
    // Of its own: who else reads the track may stop it.
    const processor = new MediaStreamTrackProcessor({ track: track.clone(), maxBufferSize: waiting });
    const reader = processor.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      await note(value);
      value.close();
    }
  }

  function hear() {
    let before = 0;
    return (piece) => {
      const samples = new Float32Array(piece.numberOfFrames);
      piece.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      const peak = samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
      noted.sound.push([before, piece.timestamp / 1e6, peak]);
      before += piece.numberOfFrames / piece.sampleRate;
    };
  }

  async function see(picture) {
    const { width, height } = picture.codedRect;
    const bytes = new Uint8Array(picture.allocationSize());
    const [{ offset, stride }] = await picture.copyTo(bytes); // I420: the luma comes first
    const radius = Math.round(height / 4);
    let lit = 0;
    for (let y = height / 2 - radius; y < height / 2 + radius; y += STEP)
      for (let x = width / 2 - radius; x < width / 2 + radius; x += STEP)
        lit += bytes[offset + y * stride + x] > LIT;
    noted.frames.push([picture.timestamp / 1e6, (lit * STEP * STEP) / (Math.PI * radius * radius)]);
  }
}
