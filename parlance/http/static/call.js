// One call: its socket, its sound, and the profile's messages between them (`?format=pcm16`).
//
// Everything the page has to know is told to one function: the server's messages as they came, and besides
// {type: "connecting"}, {type: "microphone"|"loudspeaker", level}, {type: "paused", paused}, {type: "unplugged"} and,
// once, {type: "over", why, detail}: `why` is a key of words.js.

import { Sound, SoundError } from "./sound.js";

const ANSWER = 10_000; // milliseconds until a server that does not answer is given up
const FAREWELL = 1_500; // milliseconds in which the server may close in good order after a hang-up
const STUCK = 150_000; // bytes the network has not taken: about three seconds of frames
const RETURN = 5_000; // milliseconds in which a call whose socket was dropped may come back
const PAUSE = 300; // milliseconds between two tries

const CODES = { 1003: "unknown", 1008: "forbidden", 1011: "broken", 1012: "restarting", 1013: "full" };

function encoded(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer)));
}

function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return bytes.buffer;
}

export class Call {
  constructor(agent, tell) {
    this.agent = agent;
    this.tell = tell;
    this.over = false;
    this.connected = false;
    this.farewell = null; // the server's reason, when it has said goodbye
    this.session = ""; // the call's id, with which it may come back
    this.lost = 0; // when its socket was dropped; 0 while it has one
    this.sound = new Sound({
      frame: (buffer, level) => this.heard(buffer, level),
      played: (name) => this.send({ type: "mark", name }),
      level: (level) => this.tell({ type: "loudspeaker", level }),
      paused: (paused) => this.tell({ type: "paused", paused }),
      unplugged: () => this.tell({ type: "unplugged" }),
    });
  }

  async start() {
    try {
      await this.sound.open();
    } catch (error) {
      if (!(error instanceof SoundError)) console.warn(error);
      return this.end(error instanceof SoundError ? error.kind : "unsupported", error.message);
    }
    if (this.over) return;
    this.tell({ type: "connecting" });
    this.connect();
    this.patience = setTimeout(() => this.end("silent"), ANSWER);
  }

  connect() {
    const address = new URL(`ws/voice-agent/${encodeURIComponent(this.agent)}?format=pcm16`, document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    if (this.session) address.searchParams.set("session", this.session);
    // A house that is not open to anybody wants a key: the page's address has it after its #, which no server sees.
    const key = new URLSearchParams(location.hash.slice(1)).get("key");
    if (key) address.searchParams.set("token", key);
    this.socket = new WebSocket(address);
    this.socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    this.socket.onclose = ({ code, reason }) => this.closed(code, reason);
  }

  // A refused handshake and a server that is gone look the same to a page: so it asks whether anybody is there.
  async explain() {
    const there = await fetch(new URL("health", document.baseURI)).then((answer) => answer.ok, () => false);
    this.end(there ? "locked" : "unreachable");
  }

  // The socket was dropped: true while the call may still come back on another one.
  comeBack() {
    if (this.over || !this.session) return false;
    this.lost ||= Date.now();
    if (Date.now() - this.lost > RETURN) return false;
    this.connected = false;
    setTimeout(() => !this.over && this.connect(), PAUSE);
    return true;
  }

  receive(message) {
    if (this.over) return;
    switch (message.type) {
      case "audio_response":
        return this.sound.play(decoded(message.data));
      case "clear":
        return this.sound.clear();
      case "mark":
        return this.sound.mark(message.name);
      case "connection_established":
        clearTimeout(this.patience);
        this.connected = true;
        this.lost = 0;
        if (this.session) return; // It is back, and everything else is as it was.
        this.session = message.session_id;
        break;
      case "ended":
        this.farewell = message.reason;
    }
    this.tell(message);
  }

  heard(buffer, level) {
    if (this.over) return;
    this.tell({ type: "microphone", level });
    if (!this.connected) return;
    this.send({ type: "audio_chunk", data: encoded(buffer), is_final: false });
    if (this.socket.bufferedAmount > STUCK) this.end("lost");
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  closed(code, reason) {
    if (this.farewell !== null || (code === 1000 && this.connected)) this.end("ended", this.farewell ?? reason);
    else if (code in CODES) this.end(CODES[code], reason);
    else if (code === 1006 && this.comeBack()) this.sound.clear();
    else if (code === 1006 && !this.session) this.explain();
    else if (code === 1001 || code === 1005 || code === 1006) this.end(this.session ? "lost" : "unreachable");
    else this.end("closed", reason || `code ${code}`);
  }

  hangUp() {
    this.send({ type: "end_session" });
    this.end("yours");
  }

  // Ends the call, whatever the reason; only the first one counts.
  end(why, detail = "") {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.patience);
    this.sound.close();
    if (this.socket) {
      const { socket } = this;
      setTimeout(() => socket.close(), why === "yours" ? FAREWELL : 0);
    }
    this.tell({ type: "over", why, detail });
  }

  mute(muted) {
    this.sound.mute(muted);
  }

  resume() {
    return this.sound.resume();
  }
}

