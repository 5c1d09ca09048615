// The loudspeaker's worklet: PCM16 at the line's rate is queued and played, marks are given back, a clear is at once.
//
// Takes {audio: ArrayBuffer}, {mark: name} and {clear: true}. Posts {played: name} once everything queued before that
// mark has been played or cleared, and {level} for every 20 ms: RMS, 0 to 1.

import { Resampler } from "./resample.js";

const FADE = 0.003; // seconds: a cut in mid-wave would click

class Playback extends AudioWorkletProcessor {
  constructor(options) {
    super();
    const { rate } = options.processorOptions;
    this.resampler = new Resampler(rate, sampleRate);
    this.fade = Math.round(rate * FADE);
    this.queue = []; // Int16Array of audio, or a mark's name
    this.offset = 0; // into the first of the queue
    this.ready = []; // samples at the context's rate, ahead of the block that wants them
    this.span = Math.round(sampleRate / 50);
    this.measured = 0;
    this.power = 0;
    this.put = (sample) => this.ready.push(sample);
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ audio, mark, clear }) {
    if (audio) this.queue.push(new Int16Array(audio));
    else if (clear) this.clear();
    else this.queue.push(mark);
    this.answer();
  }

  clear() {
    const tail = [];
    while (tail.length < this.fade && this.queue.length) tail.push(this.next() * (1 - tail.length / this.fade));
    for (const item of this.queue) if (typeof item === "string") this.port.postMessage({ played: item });
    this.queue = tail.length ? [Int16Array.from(tail)] : [];
    this.offset = 0;
  }

  // Marks that nothing stands before any more.
  answer() {
    while (typeof this.queue[0] === "string") this.port.postMessage({ played: this.queue.shift() });
  }

  next() {
    this.answer();
    const first = this.queue[0];
    if (!first) return 0;
    const sample = first[this.offset++];
    if (this.offset >= first.length) {
      this.queue.shift();
      this.offset = 0;
      this.answer();
    }
    return sample;
  }

  process(_, [output]) {
    const [left, ...others] = output;
    while (this.ready.length < left.length) this.resampler.push(this.next() / 32768, this.put);
    left.set(this.ready.splice(0, left.length));
    for (const other of others) other.set(left);
    this.measure(left);
    return true;
  }

  measure(block) {
    for (const sample of block) this.power += sample * sample;
    this.measured += block.length;
    if (this.measured < this.span) return;
    this.port.postMessage({ level: Math.sqrt(this.power / this.measured) });
    this.measured = 0;
    this.power = 0;
  }
}

registerProcessor("playback", Playback);
