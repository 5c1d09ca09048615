// Audio from one sampling rate to another, as it streams. Runs inside the audio worklets.
//
// A polyphase windowed-sinc filter. Its position is kept in whole numbers (an output sample every `from / gcd` steps,
// an input sample every `to / gcd`), so that nothing drifts however long a call lasts.

const ZEROS = 14; // zero crossings of the sinc on each side: about 70 dB of stop band with the window below
const PASS = 0.9; // of the lower rate's band; the rest is the filter's slope

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}

// Blackman: https://en.wikipedia.org/wiki/Window_function
function windowed(x) {
  return Math.abs(x) >= 1 ? 0 : 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

export class Resampler {
  constructor(from, to) {
    const divisor = gcd(from, to);
    this.phases = to / divisor;
    this.step = from / divisor;
    const cutoff = PASS * Math.min(1, to / from);
    this.half = Math.ceil(ZEROS / cutoff);
    this.taps = Array.from({ length: this.phases }, (_, phase) => this.filter(phase / this.phases, cutoff));
    this.history = new Float32Array(4 * this.half);
    this.at = 0;
    this.due = 0;
  }

  // The filter for an output sample `fraction` of the way between the two middle samples of the history.
  filter(fraction, cutoff) {
    const taps = new Float32Array(2 * this.half);
    let sum = 0;
    for (let k = 0; k < taps.length; k++) {
      const distance = k - (this.half - 1) - fraction;
      taps[k] = cutoff * sinc(cutoff * distance) * windowed(distance / this.half);
      sum += taps[k];
    }
    return taps.map((tap) => tap / sum);
  }

  // One sample in; `put` is called with each sample that comes out.
  push(sample, put) {
    const size = 2 * this.half;
    this.history[this.at] = this.history[this.at + size] = sample; // twice, so that any window of it is in one piece
    this.at = (this.at + 1) % size;
    for (; this.due < this.phases; this.due += this.step) {
      const taps = this.taps[this.due];
      let sum = 0;
      for (let k = 0; k < size; k++) sum += taps[k] * this.history[this.at + k];
      put(sum);
    }
    this.due -= this.phases;
  }
}
