// What can go wrong with the simulated model server. The gateway passes this on as it does all that is for no model.

import { $, el, write } from "/page/dom.js";

const FAULTS = [
  ["Errors", "Every request fails with status 500", { fault: "error" }],
  ["Overloaded", "Every request is refused with status 529", { fault: "overloaded" }],
  ["Rate limited", "Every request is refused with status 429", { fault: "rate-limit" }],
  ["Half cut off", "Every other stream ends in the middle", { fault: "truncate;after=12", rate: 0.5 }],
  ["Connection lost", "Every third connection breaks in the middle", { fault: "reset;after=12", rate: 0.34 }],
  ["Error in the stream", "A third of the streams ends with an error event", { fault: "stream-error;after=12", rate: 0.34 }],
  ["Slow to begin", "Every answer begins two seconds late", { fault: "slow-head;ms=2000" }],
  ["Stalls", "Every stream is silent for three seconds", { fault: "stall;after=12;ms=3000" }],
  ["Drips", "Answers come a few bytes at a time", { fault: "slow-drip" }],
];

const PATH = "/_control/faults";
const on = new Set();
const buttons = FAULTS.map(([name, what], n) => {
  const button = el("button", { type: "button", "aria-pressed": "false", title: what, disabled: "" }, name);
  button.addEventListener("click", () => {
    const next = new Set(on);
    next.has(n) ? next.delete(n) : next.add(n);
    set(next);
  });
  return button;
});

export async function begin() {
  $("faults").replaceChildren(...buttons);
  $("heal").addEventListener("click", () => set(new Set()));
  try {
    const response = await fetch(PATH);
    if (response.status === 404) return cannot("This model server takes no faults; the simulated one does.");
    if (!response.ok) return cannot(`The model server did not say whether it takes faults (${response.status}).`);
    shown(await response.json());
  } catch { cannot("The gateway cannot be reached."); }
}

function cannot(why) {
  for (const button of [...buttons, $("heal")]) button.disabled = true;
  write($("faults-why"), why);
}

async function set(next) {
  const rules = [...next].map(n => FAULTS[n][2]);
  try {
    const response = await fetch(PATH, { method: "POST", body: JSON.stringify(rules) });
    if (!response.ok) return cannot(`The model server takes no faults (${response.status}).`);
    shown(await response.json());
  } catch { write($("faults-why"), "The gateway cannot be reached."); }
}

// What is set there, perhaps by somebody else.
function shown(rules) {
  const same = rule => FAULTS.findIndex(([, , { fault }]) => rule.fault.split(";")[0] === fault.split(";")[0]);
  on.clear();
  for (const n of rules.map(same)) if (n >= 0) on.add(n);
  buttons.forEach((button, n) => {
    button.disabled = false;
    button.setAttribute("aria-pressed", String(on.has(n)));
  });
  $("heal").disabled = rules.length === 0;
  const words = [...on].map(n => FAULTS[n][1]);
  write($("faults-why"), words.length ? `${words.join(". ")}.` : "All is well. A button makes it fail, and the panels show what comes of it.");
}
