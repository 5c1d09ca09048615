// Both sides' levels over the last seconds: the agent above the middle, the caller below it, a line at a cut-in.
//
// With reduced motion nothing travels: two bars show the present levels.

const BAR = 3; // CSS pixels
const GAP = 2;
const SPAN = 3; // frames of 20 ms in a bar
const QUIET = -48; // dBFS drawn as nothing
const LOUD = -10; // dBFS drawn as a full lane

// A level (RMS, 0 to 1) as a share of the lane: decibels, because ears hear those.
function share(level) {
  const decibels = 20 * Math.log10(Math.max(level, 1e-6));
  return Math.min(1, Math.max(0, (decibels - QUIET) / (LOUD - QUIET))) ** 1.5;
}

export class Scope {
  constructor(canvas) {
    this.canvas = canvas;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.palette());
    this.still.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.fit()).observe(canvas);
    this.palette();
    this.reset();
  }

  reset() {
    this.bars = []; // [caller, agent, mark], newest last
    this.now = [0, 0];
    this.peak = [0, 0];
    this.frames = 0;
    this.mark = "";
    this.draw();
  }

  palette() {
    const style = getComputedStyle(this.canvas);
    this.colors = Object.fromEntries(
      ["caller", "agent", "rule", "ink"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    );
    if (this.bars) this.draw();
  }

  fit() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.draw();
  }

  agent(level) {
    this.now[1] = level;
    this.peak[1] = Math.max(this.peak[1], level);
  }

  // The microphone's frames are the clock: they come fifty times a second as long as the call lasts.
  caller(level) {
    this.now[0] = level;
    this.peak[0] = Math.max(this.peak[0], level);
    this.frames += 1;
    if (this.frames < SPAN) return;
    this.bars.push([share(this.peak[0]), share(this.peak[1]), this.mark]);
    this.frames = 0;
    this.peak = [0, 0];
    this.mark = "";
    const room = Math.ceil(this.canvas.clientWidth / (BAR + GAP));
    if (this.bars.length > room) this.bars.splice(0, this.bars.length - room);
    this.soon();
  }

  // At most one drawing waits: a hidden page gets no frames, and would draw them all when it is shown again.
  soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  // The caller cut in: `cut` for certain, `held` when it may have been a cough.
  cut(kind) {
    this.mark = kind;
  }

  draw() {
    const { canvas } = this;
    const pen = canvas.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.width / ratio, canvas.height / ratio];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const middle = Math.round(height / 2);
    pen.fillStyle = this.colors.rule;
    pen.fillRect(0, middle - 0.5, width, 1);
    if (this.still.matches) this.meters(pen, width, middle);
    else this.history(pen, width, height, middle);
  }

  meters(pen, width, middle) {
    pen.fillStyle = this.colors.agent;
    pen.fillRect(0, middle / 2 - 4, width * share(this.now[1]), 8);
    pen.fillStyle = this.colors.caller;
    pen.fillRect(0, middle * 1.5 - 4, width * share(this.now[0]), 8);
  }

  history(pen, width, height, middle) {
    const reach = middle - 4;
    this.bars.forEach(([caller, agent, mark], index) => {
      const x = width - (this.bars.length - index) * (BAR + GAP);
      if (mark) {
        pen.fillStyle = this.colors.ink;
        pen.globalAlpha = mark === "cut" ? 0.9 : 0.35;
        pen.fillRect(x - 1, 0, 1, height);
        pen.globalAlpha = 1;
      }
      pen.fillStyle = this.colors.agent;
      if (agent > 0.02) pen.fillRect(x, middle - 1, BAR, -reach * agent);
      pen.fillStyle = this.colors.caller;
      if (caller > 0.02) pen.fillRect(x, middle + 1, BAR, reach * caller);
    });
  }
}
