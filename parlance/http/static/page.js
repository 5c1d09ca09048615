// The page: joins the controls, the call and the views. What a view looks like is the view's own business.

import { Call } from "./call.js";
import { Latency } from "./latency.js";
import { Scope } from "./scope.js";
import { Transcript } from "./transcript.js";
import { capital, clock, ending, floor } from "./words.js";

const by = (id) => document.getElementById(id);
const transcript = new Transcript(by("transcript"), seconds);
const scope = new Scope(by("scope"));
const latency = new Latency(by("latency"));

const DOUBLE_CLICK = 500; // milliseconds

let agents = [];
let call = null;
let answered = 0;
let muted = false;
let ticking = 0;
let begun = 0;

// ---------------------------------------------------------------------------------------------------- agents

async function loadAgents() {
  hideNotice();
  try {
    const response = await fetch(new URL("api/v1/agents", document.baseURI));
    if (!response.ok) throw new Error(`status ${response.status}`);
    agents = await response.json();
  } catch (error) {
    notice("The list of agents cannot be loaded.", `Is the server running? (${error.message})`, "Try again", loadAgents);
    return;
  }
  if (!agents.length) notice("There is nobody to call.", "The server has no agent. Give it one, then try again.", "Try again", loadAgents);
  by("choices").replaceChildren(...agents.map(choice));
  by("call").disabled = !agents.length;
  choose();
}

function choice(agent, index) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "agent", value: agent.name });
  input.checked = index === 0;
  const title = Object.assign(document.createElement("span"), { className: "title", textContent: titleOf(agent) });
  label.append(input, title);
  return label;
}

function titleOf(agent) {
  return agent.title || capital(agent.name.replaceAll("-", " "));
}

function chosen() {
  const name = document.querySelector("input[name=agent]:checked")?.value;
  return agents.find((agent) => agent.name === name);
}

function choose() {
  const agent = chosen();
  if (!agent || call) return;
  by("agentname").textContent = titleOf(agent);
  const [caption, quote] = by("invitation").children;
  caption.textContent = `${titleOf(agent)} ${agent.greeting ? "answers" : "waits for you to speak first"}`;
  quote.textContent = agent.greeting ? `“${agent.greeting}”` : "";
}

// ------------------------------------------------------------------------------------------------------ call

function start() {
  const agent = chosen();
  if (call || !agent) return;
  hideNotice();
  begun = performance.now();
  answered = 0;
  muted = false;
  transcript.reset(titleOf(agent));
  latency.reset();
  scope.reset();
  call = new Call(agent.name, told);
  stage("calling");
  showFloor({ who: "waiting", text: "Asking for the microphone", detail: "Your browser may want your permission" });
  by("hangup").focus();
  call.start();
}

function stage(name) {
  document.body.dataset.stage = name;
  const inCall = name !== "idle";
  by("agents").disabled = inCall;
  by("call").hidden = inCall;
  by("hangup").hidden = by("mute").hidden = !inCall;
  by("elapsed").hidden = name !== "talking";
  by("mute").setAttribute("aria-pressed", String(muted));
}

// Everything a call has to tell, by the type of its message.
const HEARD = {
  connecting: () => showFloor({ who: "waiting", text: "Connecting", detail: "" }),
  connection_established: () => {
    answered = performance.now();
    stage("talking");
    tick();
    ticking = setInterval(tick, 1000);
    showFloor(floor({}, transcript.agent));
  },
  state: (message) => showFloor(floor(message, transcript.agent)),
  transcription: ({ text, is_final }) => transcript.caller(text, is_final),
  murmured: ({ text }) => transcript.murmur(text),
  llm_response: ({ turn, text }) => transcript.ready(turn, text),
  speaking: ({ turn, text }) => transcript.speaking(turn, text),
  held: ({ turn }) => {
    transcript.hold(turn, true);
    scope.cut("held");
  },
  resumed: ({ turn }) => transcript.hold(turn, false),
  turn_ended: (message) => {
    transcript.ended(message);
    if (message.outcome === "interrupted") scope.cut("cut");
  },
  latency: (message) => latency.show(message),
  acted: ({ act, details }) => {
    const facts = Object.entries(details).map(([key, value]) => `${key} ${value}`);
    transcript.note([capital(act.replaceAll("_", " ")), facts.join(", ")].filter(Boolean).join(": "));
  },
  error: ({ message }) => transcript.note(capital(message), "fault"),
  microphone: ({ level }) => scope.caller(muted ? 0 : level),
  loudspeaker: ({ level }) => scope.agent(level),
  paused: ({ paused }) => {
    if (paused) notice("Your browser has paused the sound.", "Resume it to go on.", "Resume sound", () => call?.resume());
    else hideNotice();
  },
  unplugged: () => notice("The microphone is gone.", "You can still hear the agent. Connect it again, then call again."),
  over: ({ why, detail }) => over(why, detail),
};

function seconds() {
  return answered ? (performance.now() - answered) / 1000 : 0;
}

function tick() {
  by("elapsed").textContent = clock(seconds());
}

function told(message) {
  HEARD[message.type]?.(message);
}

function over(why, detail) {
  const focused = document.activeElement === document.body || by("incall").contains(document.activeElement);
  call = null;
  clearInterval(ticking);
  stage("idle");
  transcript.caller("", true);
  const { title, advice, good } = ending(why, detail);
  showFloor({ who: "ended", text: answered ? "Call ended" : "No call", detail: good ? advice : "" });
  by("call").textContent = "Call again";
  if (!good) notice(title, advice, "Call again", start);
  if (focused) (good ? by("call") : by("act")).focus();
}

function showFloor({ who, text, detail }) {
  document.body.dataset.floor = who;
  if (by("holder").textContent !== text) by("holder").textContent = text;
  by("detail").textContent = detail;
}

function mute() {
  if (!call) return;
  muted = !muted;
  call.mute(muted);
  by("mute").setAttribute("aria-pressed", String(muted));
}

// ---------------------------------------------------------------------------------------------------- notice

function notice(title, advice, action = "", act = null) {
  by("noticetitle").textContent = title;
  by("advice").textContent = advice;
  by("act").hidden = !action;
  by("act").textContent = action;
  by("act").onclick = act;
  by("notice").hidden = false;
}

function hideNotice() {
  by("notice").hidden = true;
}

// ---------------------------------------------------------------------------------------------------- controls

by("call").addEventListener("click", start);
by("hangup").addEventListener("click", () => {
  // This button is where Call was: the second half of a double click is no wish to hang up.
  if (performance.now() - begun > DOUBLE_CLICK) call?.hangUp();
});
by("mute").addEventListener("click", mute);
by("choices").addEventListener("change", choose);
document.addEventListener("keydown", (event) => {
  if (!call || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "Escape") call.hangUp();
  if (event.key.toLowerCase() === "m") mute();
});
window.addEventListener("pagehide", () => call?.hangUp());

stage("idle");
showFloor({ who: "idle", text: "Ready", detail: "Choose an agent and call" });
loadAgents();
