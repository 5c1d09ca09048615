// The microphone and the loudspeaker of one call: opened together, closed together.

export const RATE = 16000;

// Why there is no sound to be had; `kind` is a key of words.js.
export class SoundError extends Error {
  constructor(kind, detail = "") {
    super(detail || kind);
    this.kind = kind;
  }
}

const REFUSALS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "absent",
  OverconstrainedError: "absent",
  NotReadableError: "busy",
  AbortError: "busy",
};

async function microphone() {
  if (!window.isSecureContext) throw new SoundError("insecure");
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new SoundError("unsupported");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
  } catch (error) {
    throw new SoundError(REFUSALS[error.name] ?? "absent", error.message);
  }
}

export class Sound {
  // `on` is told: frame(buffer, level), played(name), level(level), paused(whether), unplugged().
  constructor(on) {
    this.on = on;
    this.closed = false;
    // Made while the click that asked for it is still being handled: later, browsers may not let it start.
    this.context = window.AudioContext ? new AudioContext({ latencyHint: "interactive" }) : null;
  }

  async open() {
    try {
      this.stream = await microphone();
      const here = new URL(".", import.meta.url);
      const modules = ["capture.js", "playback.js"].map((name) => this.context.audioWorklet.addModule(new URL(name, here)));
      await Promise.all(modules).catch((error) => {
        // They come from the server, as the page did: whatever browser made it this far can run them.
        throw new SoundError("unreachable", error.message);
      });
      if (!this.closed) this.connect();
    } finally {
      if (this.closed) this.release();
    }
  }

  connect() {
    const processorOptions = { rate: RATE };
    const mono = { channelCount: 1, channelCountMode: "explicit" };
    this.source = this.context.createMediaStreamSource(this.stream);
    this.capture = new AudioWorkletNode(this.context, "capture", { ...mono, numberOfOutputs: 0, processorOptions });
    this.playback = new AudioWorkletNode(this.context, "playback", { numberOfInputs: 0, processorOptions });
    this.capture.port.onmessage = ({ data }) => this.on.frame(data.frame, data.level);
    this.playback.port.onmessage = ({ data }) =>
      data.played === undefined ? this.on.level(data.level) : this.on.played(data.played);
    this.source.connect(this.capture);
    this.playback.connect(this.context.destination);
    for (const track of this.stream.getAudioTracks()) track.onended = () => this.on.unplugged();
    this.context.onstatechange = () => this.told();
    this.told();
  }

  told() {
    if (!this.closed) this.on.paused(this.context.state !== "running");
  }

  resume() {
    return this.context.resume();
  }

  play(buffer) {
    this.playback?.port.postMessage({ audio: buffer }, [buffer]);
  }

  mark(name) {
    this.playback?.port.postMessage({ mark: name });
  }

  clear() {
    this.playback?.port.postMessage({ clear: true });
  }

  mute(muted) {
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  close() {
    this.closed = true;
    this.release();
  }

  release() {
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    if (this.context && this.context.state !== "closed") {
      this.context.onstatechange = null;
      this.context.close();
    }
  }
}
