// How long the caller waited for the last answer, step by step, and the median of this call.

const STEPS = [
  ["end_of_turn", "End of turn"],
  ["transcript", "Transcript"],
  ["first_token", "First word"],
  ["first_phrase", "First phrase"],
  ["first_audio", "First audio"],
  ["first_frame", "On the line"],
];

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export class Latency {
  // `panel` holds .figure, .steps (a <dl>) and .median.
  constructor(panel) {
    this.panel = panel;
    this.reset();
  }

  reset() {
    this.answers = new Map();
    this.panel.classList.add("empty");
    this.part("figure").textContent = "–";
    this.part("steps").replaceChildren();
    this.part("median").textContent = "";
  }

  part(name) {
    return this.panel.querySelector(`.${name}`);
  }

  show({ turn, response_ms: response, steps }) {
    if (response === null) return; // the agent spoke of its own accord: nobody waited
    this.answers.set(turn, response);
    this.panel.classList.remove("empty");
    this.part("figure").textContent = Math.round(response);
    const answers = [...this.answers.values()];
    this.part("median").textContent =
      answers.length > 1 ? `Median of ${answers.length} answers: ${Math.round(median(answers))} ms` : "";
    this.part("steps").replaceChildren(...this.rows(steps, Math.max(response, 1)));
  }

  rows(steps, whole) {
    let from = 0;
    return STEPS.flatMap(([step, label]) => {
      const at = steps[step];
      const name = document.createElement("dt");
      name.textContent = label;
      const value = document.createElement("dd");
      const bar = document.createElement("span");
      bar.className = "bar";
      const figure = document.createElement("span");
      figure.textContent = at === null ? "–" : Math.round(at);
      if (at !== null) {
        bar.style.setProperty("--from", Math.min(1, Math.max(0, Math.min(from, at) / whole)));
        bar.style.setProperty("--to", Math.min(1, Math.max(0, at / whole)));
        from = Math.max(from, at);
      }
      value.append(bar, figure);
      return [name, value];
    });
  }
}
