// The conversation: each question is asked twice at the same time, as a stream and whole.

import { $, el, time, write } from "/page/dom.js";

const TURNS = 12;
const AT_ONCE = 10;
const SILENT = "The model gave no text.";

// What was said so far, as the API wants it.
let messages = [];
let running = null;

export function begin() {
  $("ask").addEventListener("submit", event => { event.preventDefault(); submit(); });
  $("prompt").addEventListener("keydown", event => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
  });
  $("stop").addEventListener("click", () => running?.abort());
  $("load").addEventListener("click", load);
  $("new").addEventListener("click", () => {
    running?.abort();
    messages = [];
    $("turns").replaceChildren();
    $("new").hidden = true;
    $("prompt").focus();
  });
  models();
}

async function models() {
  try {
    const response = await fetch("/v1/models");
    const names = response.ok ? (await response.json()).data.map(model => model.id) : [];
    $("models").replaceChildren(...names.map(value => el("option", { value })));
    if (names.length && !names.includes($("model").value)) $("model").value = names[0];
  } catch { /* A name can be typed. */ }
}

function request(body, signal) {
  const headers = { "content-type": "application/json" };
  const key = $("key").value.trim();
  if (key) headers.authorization = `Bearer ${key}`;
  return fetch("/v1/chat/completions", {
    method: "POST", headers, signal, body: JSON.stringify({ model: $("model").value, ...body }),
  });
}

async function reply(body, signal) {
  const response = await request(body, signal);
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  throw new Error(`${response.status}: ${said?.error?.message ?? "the gateway gave no reason"}`);
}

async function submit() {
  const question = $("prompt").value.trim();
  if (!question || running) return;
  if (!$("prompt").reportValidity()) return;
  const abort = running = new AbortController();
  $("send").disabled = true;
  $("stop").hidden = $("new").hidden = false;
  // It can be asked again, and is gone with the first letter of another.
  if (document.activeElement === $("prompt")) $("prompt").select();
  const asked = [...messages, { role: "user", content: question }];
  const turn = show(question);
  const [stream] = await Promise.all([
    streamed(asked, turn.streamed, abort.signal), whole(asked, turn.whole, abort.signal),
  ]);
  turn.end();
  // A broken answer is no part of the conversation.
  if (running === abort && stream) messages = [...asked, { role: "assistant", content: stream }].slice(-2 * TURNS);
  if (running === abort) running = null;
  $("send").disabled = false;
  $("stop").hidden = true;
}

function show(question) {
  const began = performance.now();
  const panes = { streamed: pane("Streamed", began), whole: pane("Whole", began) };
  const turn = el("article", { class: "card turn" },
    el("p", { class: "question" }, question),
    el("div", { class: "panes" }, panes.streamed.element, panes.whole.element));
  $("turns").prepend(turn);
  while ($("turns").children.length > TURNS) $("turns").lastChild.remove();
  // Both bars have the scale of the longer one.
  const draw = () => {
    const scale = Math.max(panes.streamed.lasted(), panes.whole.lasted(), 1);
    panes.streamed.draw(scale);
    panes.whole.draw(scale);
  };
  const ticks = setInterval(draw, 50);
  return { ...panes, end() {
    clearInterval(ticks);
    draw();
    write($("said"), `Streamed: ${panes.streamed.summary()}. Whole: ${panes.whole.summary()}.`);
  } };
}

function pane(name, began) {
  let first = null, last = null, failed = null;
  const figure = () => el("dd", {}, "–");
  const [firstShown, lastShown] = [figure(), figure()];
  const [wait, flow] = [el("span", { class: "wait" }), el("span", { class: "flow" })];
  const source = el("span", { class: "source" });
  const output = el("div", { class: "answer", "aria-busy": "true" });
  const element = el("section", { class: `pane ${name.toLowerCase()} busy`, "aria-label": name },
    el("div", { class: "title" }, el("h3", {}, name), source),
    el("dl", { class: "figures" },
      el("div", {}, el("dt", {}, "first words"), firstShown), el("div", {}, el("dt", {}, "all of it"), lastShown)),
    el("div", { class: "bar", "aria-hidden": "true" }, wait, flow), output);
  const now = () => performance.now() - began;
  const finish = () => {
    last ??= now();
    element.classList.remove("busy");
    output.removeAttribute("aria-busy");
  };
  return {
    element,
    lasted: () => last ?? now(),
    summary: () => failed ?? `first words after ${time(first)}, all after ${time(last)}`,
    from(response) { write(source, origin(response.headers.get("cache-status"))); },
    add(text) {
      if (!text) return;
      // Who reads further up is left there; and what comes at once begins at its beginning.
      const follows = first !== null && output.scrollHeight - output.scrollTop - output.clientHeight < 40;
      first ??= now();
      output.append(text);
      if (follows) output.scrollTop = output.scrollHeight;
    },
    end() {
      if (first === null) output.append(el("em", {}, SILENT));
      finish();
    },
    fail(error) {
      failed = error.name === "AbortError" ? "stopped" : error.message;
      output.append(el("p", { class: "error" }, failed));
      element.classList.add("failed");
      finish();
    },
    draw(scale) {
      const end = last ?? now();
      const until = first ?? end;
      wait.style.width = `${100 * until / scale}%`;
      flow.style.width = `${100 * (end - until) / scale}%`;
      write(firstShown, first === null && last !== null ? "–" : time(until));
      write(lastShown, failed ? "–" : time(end));
      firstShown.classList.toggle("soft", first === null);
      lastShown.classList.toggle("soft", last === null);
    },
  };
}

// Where an answer came from, by what the cache says.
function origin(status) {
  const score = status?.match(/semantic; score=([0-9.]+)/)?.[1];
  if (score) return `similar, ${score}`;
  if (/; hit\b/.test(status ?? "")) return "from the cache";
  return /collapsed/.test(status ?? "") ? "shared call" : "";
}

async function streamed(messages, view, signal) {
  let all = "";
  try {
    const response = await reply({ messages, stream: true }, signal);
    view.from(response);
    for await (const data of events(response)) {
      if (data === "[DONE]") { view.end(); return all; }
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      const text = event.choices?.[0]?.delta?.content ?? "";
      all += text;
      view.add(text);
    }
    throw new Error("The stream broke off.");
  } catch (error) { view.fail(error instanceof TypeError ? new Error("The connection broke.") : error); }
  return null;
}

async function whole(messages, view, signal) {
  try {
    const response = await reply({ messages, stream: false }, signal);
    view.from(response);
    const answer = await response.json().catch(error => { throw signal.aborted ? error : new Error("The answer broke off."); });
    view.add(answer.choices?.[0]?.message?.content);
    view.end();
  } catch (error) { view.fail(error instanceof TypeError ? new Error("The connection broke.") : error); }
}

// The data of each event; servers that speak this API put it in one line.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}

// Streams that nobody reads, each of another question: the cache would know the same one.
async function load() {
  $("load").disabled = true;
  const counts = { answered: 0, refused: 0, broken: 0 };
  const said = word => {
    const parts = Object.entries(counts).filter(([, count]) => count).map(([name, count]) => `${count} ${name}`);
    write($("load-result"), `${word} ${parts.join(", ")}`.trim());
  };
  said(`${AT_ONCE} requests are under way.`);
  const one = async (_, n) => {
    const content = `Question ${n} of ${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    let outcome = "broken";
    try {
      const response = await request({ stream: true, messages: [{ role: "user", content }] });
      const text = await response.text();
      if (!response.ok) outcome = "refused";
      else if (text.includes("data: [DONE]")) outcome = "answered";
    } catch { /* It broke off. */ }
    counts[outcome] += 1;
    said("");
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  said(`${AT_ONCE} requests:`);
  $("load").disabled = false;
}
