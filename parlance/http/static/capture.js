// The microphone's worklet: the context's samples in, 20 ms frames of PCM16 at the line's rate out.
//
// Posts {frame: ArrayBuffer, level} fifty times a second; `level` is the frame's RMS, 0 to 1.

import { Resampler } from "./resample.js";

class Capture extends AudioWorkletProcessor {
  constructor(options) {
    super();
    const { rate } = options.processorOptions;
    this.resampler = new Resampler(sampleRate, rate);
    this.frame = new Int16Array(rate / 50);
    this.filled = 0;
    this.power = 0;
    this.put = (sample) => this.add(Math.max(-1, Math.min(1, sample)));
  }

  add(sample) {
    this.frame[this.filled++] = Math.round(sample * 32767);
    this.power += sample * sample;
    if (this.filled < this.frame.length) return;
    const level = Math.sqrt(this.power / this.frame.length);
    this.port.postMessage({ frame: this.frame.buffer, level }, [this.frame.buffer]);
    this.frame = new Int16Array(this.filled);
    this.filled = 0;
    this.power = 0;
  }

  process([input]) {
    const channel = input[0];
    if (channel) for (const sample of channel) this.resampler.push(sample, this.put);
    return true;
  }
}

registerProcessor("capture", Capture);
