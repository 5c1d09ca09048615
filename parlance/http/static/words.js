// What the page says when a call does not go as hoped: what happened, and what to do. One table, no code that acts.

const ENDINGS = {
  yours: ["Call ended.", "You hung up."],
  ended: ["Call ended.", ""],
  lost: ["The connection was lost.", "Check your network, then call again."],
  unreachable: ["The server cannot be reached.", "Check that it is running and that your network is up, then call again."],
  locked: [
    "This house takes calls with a key only.",
    "Open this page as its address with #key= and your key at the end. The key needs the scope calls:place.",
  ],
  silent: ["Nobody answered.", "The server took the call but did not begin it within ten seconds. Call again in a moment."],
  unknown: ["This agent is not here.", "It may have been renamed or removed. Choose another one."],
  full: ["All lines are busy.", "This agent already has as many calls as it takes. Call again in a moment."],
  restarting: ["The server is restarting.", "It takes no new calls just now. Call again in a minute."],
  forbidden: ["The server does not let you call.", "Ask whoever runs it for access."],
  broken: ["Something failed on the server.", "The call could not go on. Call again; the server's log has the reason."],
  closed: ["The server ended the call.", ""],
  refused: [
    "The microphone was refused.",
    "Allow it for this site (usually by the icon beside the address), then call again.",
  ],
  absent: ["No microphone was found.", "Connect one, or choose it in the system's sound settings, then call again."],
  busy: ["The microphone is in use.", "Another program holds it. Close that program, then call again."],
  insecure: [
    "The microphone needs a secure page.",
    "Browsers allow it over HTTPS, or at localhost. Open this page by one of these.",
  ],
  unsupported: ["This browser cannot make calls.", "It lacks AudioWorklet or a microphone API. Use a current browser."],
};

// Endings that nothing went wrong with.
const GOOD = new Set(["yours", "ended"]);

export function ending(why, detail) {
  const [title, advice] = ENDINGS[why] ?? ENDINGS.closed;
  const reason = detail && (why === "ended" || why === "closed") ? `${capital(detail)}.` : "";
  return { title, advice: [reason, advice].filter(Boolean).join(" "), good: GOOD.has(why) };
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "");
}

// Seconds as a call's clock shows them.
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// Who has the floor, from the server's `state`; `held` outranks the caller, who is heard but not yet understood.
export function floor({ caller = "quiet", agent = "idle" }, name) {
  if (agent === "held") return { who: "held", text: "Paused", detail: "Go on if you want the floor" };
  if (agent === "speaking") return { who: "agent", text: `${name} is speaking`, detail: "You can cut in at any time" };
  if (caller === "talking") return { who: "caller", text: "You have the floor", detail: "" };
  if (agent === "thinking") return { who: "thinking", text: "Thinking", detail: "" };
  return { who: "listening", text: "Listening", detail: "Say something" };
}
