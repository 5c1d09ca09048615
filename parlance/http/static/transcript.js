// The conversation as lines: who said what, what was heard of it, and where the caller cut in.
//
// The agent's words are dim until the caller hears them. The caller's interim words are dim, replaced as they change,
// and kept from screen readers until they are final.

import { clock } from "./words.js";

function element(name, kind, text = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}

export class Transcript {
  // `list`: the <ol>; `seconds()`: since the call was answered.
  constructor(list, seconds) {
    this.list = list;
    this.seconds = seconds;
    this.following = true; // the last line is in view, and stays so until the reader scrolls up
    list.addEventListener("scroll", () => {
      this.following = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    });
    new ResizeObserver(() => this.follow()).observe(list);
    this.reset("");
  }

  reset(agent) {
    this.agent = agent;
    this.turns = new Map();
    this.interim = null;
    this.following = true;
    this.list.replaceChildren();
  }

  line(kind, who) {
    const line = element("li", `line ${kind}`);
    const label = element("p", "who", who);
    label.append(element("span", "when", clock(this.seconds())));
    const words = element("p", "words");
    line.append(label, words);
    this.add(line);
    return { line, words };
  }

  add(line) {
    if (!line.parentNode) this.list.append(line);
    this.follow();
  }

  follow() {
    if (this.following) this.list.scrollTop = this.list.scrollHeight;
  }

  caller(text, final) {
    if (!final) {
      if (!text) return;
      if (!this.interim) {
        this.interim = this.line("caller interim", "You");
        this.interim.line.setAttribute("aria-hidden", "true");
      }
      this.interim.words.textContent = text;
      return this.add(this.interim.line);
    }
    const before = this.interim?.line;
    this.interim = null;
    if (!text) return before?.remove();
    const { line, words } = this.line("caller", "You");
    words.textContent = text;
    this.last = { line, text };
    if (before) {
      line.querySelector(".when").textContent = before.querySelector(".when").textContent;
      before.replaceWith(line);
    }
    this.add(line);
  }

  // Words that did not stop the agent: said, but nobody's turn.
  murmur(text) {
    if (this.last?.text !== text) this.caller(text, true);
    this.last.line.classList.add("murmur");
  }

  turn(number) {
    let turn = this.turns.get(number);
    if (!turn) {
      turn = { ...this.line("agent", this.agent), phrases: [] };
      this.turns.set(number, turn);
    }
    return turn;
  }

  // A phrase of the reply that can be spoken, but is not heard yet.
  ready(number, text) {
    const turn = this.turn(number);
    const phrase = element("span", "ahead", text);
    if (turn.phrases.length) turn.words.append(" ");
    turn.words.append(phrase);
    turn.phrases.push(phrase);
    this.add(turn.line);
    return phrase;
  }

  // The caller begins to hear this phrase, and has heard those before it.
  speaking(number, text) {
    const { phrases } = this.turn(number);
    let at = phrases.findIndex((phrase) => phrase.className === "ahead" && phrase.textContent === text);
    if (at < 0) {
      this.ready(number, text);
      at = phrases.length - 1;
    }
    phrases.forEach((phrase, index) => {
      if (index <= at) phrase.className = index === at ? "now" : "";
    });
  }

  hold(number, held) {
    this.turns.get(number)?.line.classList.toggle("held", held);
  }

  // What was heard of the reply stays; the rest of what was said is struck out behind a mark.
  ended({ turn: number, outcome, said, heard }) {
    const turn = this.turns.get(number);
    if (!turn && !said) return;
    const { line, words } = turn ?? this.turn(number);
    line.classList.remove("held");
    const cut = outcome === "interrupted" || outcome === "hung-up";
    if (!heard && !cut) return line.remove();
    words.replaceChildren(heard);
    const rest = said.startsWith(heard) ? said.slice(heard.length).trim() : "";
    if (cut && rest) {
      const mark = element("span", "cut", outcome === "interrupted" ? "you cut in" : "the call ended");
      const struck = element("s", "unheard", rest);
      struck.setAttribute("aria-label", `not heard: ${rest}`);
      words.append(" ", mark, " ", struck);
    }
    this.add(line);
  }

  note(text, kind = "") {
    const line = element("li", `line note ${kind}`);
    line.append(element("p", "words", text));
    this.add(line);
  }
}
