// The panels, from the snapshots that `/live` sends twice a second.

import { SPAN_MS, chart, top } from "/page/chart.js";
import { $, ago, el, time, write } from "/page/dom.js";

const RETRY_MS = 5000;
const SHOWN_CHANGES = 6;
const TIERS = [
  ["exact", "same question"], ["similar", "similar one"], ["stale", "stale"], ["collapsed", "shared call"],
  ["misses", "not there"], ["bypassed", "not kept"],
];

let source = null, retry = null;
let views = new Map();

export function begin() {
  connect();
  // Nobody looks: the place is for somebody who does.
  document.addEventListener("visibilitychange", () => document.hidden ? leave("paused") : connect());
}

function connect() {
  leave("connecting");
  source = new EventSource("/live");
  source.onmessage = ({ data }) => { say("live", true); update(JSON.parse(data)); };
  source.addEventListener("end", () => again("the gateway is on its way out"));
  source.onerror = () => source.readyState === EventSource.CLOSED ? again("not connected") : say("reconnecting");
}

function leave(why) {
  clearTimeout(retry);
  source?.close();
  say(why);
}

function again(why) {
  leave(why);
  retry = setTimeout(() => document.hidden || connect(), RETRY_MS);
}

function say(text, isLive = false) {
  write($("connection-text"), text);
  $("connection").classList.toggle("good", isLive);
}

function update({ at_ms: at, upstreams, cache }) {
  const names = upstreams.map(({ name }) => name);
  if (names.join("\n") !== [...views.keys()].join("\n")) {
    views = new Map(names.map(name => [name, views.get(name) ?? panel(name, names.length > 1)]));
    $("upstreams").replaceChildren(...[...views.values()].map(view => view.element));
  }
  $("faults-note").hidden = names.length < 2;
  for (const upstream of upstreams) views.get(upstream.name).update(at, upstream);
  drawCache(cache);
}

function panel(name, isOneOfSeveral) {
  const id = `upstream-${name}`;
  const state = el("span", { class: "pill breaker" });
  const drawn = chart();
  const most = el("span", { class: "most", "aria-hidden": "true" });
  const legend = el("dl", { class: "legend" });
  const figures = ["in flight", "waiting", "limit"].map((label, n) => {
    const value = el("dd", {}, "–");
    legend.append(el("div", { class: ["flight", "waits", "limit"][n] }, el("dt", {}, label), value));
    return value;
  });
  const times = table();
  const breaker = el("p", { class: "soft" });
  const changes = el("ol", { class: "changes", "aria-label": "What the breaker did" });
  const warm = el("ul", { class: "warm", "aria-label": "Warm state" });
  const counts = el("p", { class: "soft counts" });
  const element = el("section", { class: "card upstream", "aria-labelledby": id, "data-upstream": name },
    el("div", { class: "title" }, el("h2", { id }, isOneOfSeveral ? `Upstream: ${name}` : "Model server"), state),
    legend, el("div", { class: "plot" }, drawn.svg, most),
    el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, "a minute ago"), el("span", {}, "now")),
    times.element, counts,
    el("h3", {}, "Breaker"), breaker, changes, el("h3", {}, "Warm state"), warm);
  const points = [];
  return { element, update(at, { limit, breaker: now, warm: models, seen }) {
    if (points.length && points.at(-1).at > at) points.length = 0;
    points.push({ at, inFlight: limit.in_flight, waiting: limit.waiting, limit: limit.limit, breaker: now.state });
    while (at - points[0].at > SPAN_MS) points.shift();
    drawn.draw(points);
    drawn.svg.setAttribute("aria-label",
      `Over the last minute; now ${limit.in_flight} in flight and ${limit.waiting} waiting, under a limit of ${limit.limit}`);
    write(most, String(top(points)));
    [limit.in_flight, limit.waiting, limit.limit].forEach((value, n) => write(figures[n], String(value)));
    const word = now.state.replace("_", " ");
    write(state, now.state === "closed" ? "healthy" : `breaker ${word}`);
    state.className = `pill breaker ${now.state}`;
    times.update(seen);
    const { done, broken, left } = seen.streams;
    write(counts, `${limit.admitted} let in, ${limit.refused} refused by the limit. Streams: ${done} whole, ${broken} broken, ${left} left early.`);
    write(breaker, about(now, word));
    const newest = seen.changes.slice(-SHOWN_CHANGES).reverse();
    rows(changes, newest.map(change => [`change ${change.to}`, change.to.replace("_", " "), change.reason, ago(change.age_ms)]),
      "It has been closed all the time.");
    rows(warm, models.map(model => [`change ${model.ready ? "closed" : "half_open"}`, model.state, model.model ?? "the model",
      model.waiting ? `${model.waiting} waiting` : model.last_start_ms == null ? "" : `started in ${time(model.last_start_ms)}`]),
      "Taken to be always there.");
  } };
}

function about(breaker, word) {
  const { calls, failed, refused, open_for_ms: left, credentials, credentials_not_closed: others } = breaker;
  const wait = left > 0 ? `It is open for ${time(left)} more` : left === 0 ? "The next request shows whether the model server is back" : `It is ${word}`;
  const parts = [`${wait}.`];
  if (calls) parts.push(`Of the last ${calls} calls ${failed} failed.`);
  if (refused) parts.push(`It has refused ${refused} in all.`);
  if (credentials) parts.push(`For ${others} of ${credentials} credentials it is not closed.`);
  return parts.join(" ");
}

// Rows of a state, a reason and a time; rewritten in place.
function rows(list, wanted, none) {
  if (!wanted.length) {
    if (!list.querySelector(".none")) list.replaceChildren(el("li", { class: "none soft" }, none));
    return;
  }
  list.querySelector(".none")?.remove();
  while (list.children.length > wanted.length) list.lastChild.remove();
  while (list.children.length < wanted.length) {
    list.append(el("li", {}, el("span", { class: "state" }), el("span", { class: "why" }), el("span", { class: "when soft" })));
  }
  wanted.forEach(([kind, ...texts], n) => {
    const row = list.children[n];
    if (row.className !== kind) row.className = kind;
    texts.forEach((text, cell) => write(row.children[cell], text));
  });
}

function table() {
  const shares = ["p50", "p90", "p99"];
  const cells = {};
  const row = (label, key) => el("tr", {}, el("th", { scope: "row" }, label), ...shares.map(share => {
    cells[`${key}-${share}`] = el("td", {}, "–");
    return cells[`${key}-${share}`];
  }));
  const element = el("table", {}, el("caption", {}, "Streams of the last minute"),
    el("thead", {}, el("tr", {}, el("td"), ...shares.map(share => el("th", { scope: "col" }, share)))),
    el("tbody", {}, row("time to first token", "first_content_ms"), row("gap between pieces", "gap_ms")));
  return { element, update(seen) {
    for (const key of ["first_content_ms", "gap_ms"]) {
      for (const share of shares) write(cells[`${key}-${share}`], time(seen[key]?.[share]));
    }
  } };
}

let cacheView = null;

function drawCache(cache) {
  cacheView ??= cachePanel();
  cacheView(cache);
}

function cachePanel() {
  const share = el("span", { class: "pill" });
  const bar = el("div", { class: "tiers", role: "img" });
  const pieces = TIERS.map(([key]) => el("span", { class: key }));
  bar.append(...pieces);
  const values = TIERS.map(() => el("dd", {}, "0"));
  const legend = el("dl", { class: "legend tiers-legend" },
    ...TIERS.map(([key, label], n) => el("div", { class: key }, el("dt", {}, label), values[n])));
  const kept = el("p", { class: "soft" });
  const scores = el("ol", { class: "scores", "aria-label": "Scores of recent answers to similar questions, the newest first" });
  const off = el("p", { class: "soft" }, "It is off: cache.max_bytes or cache.store in the configuration turns it on.");
  const body = el("div", {}, bar, legend, kept, el("h3", {}, "Scores of recent similar hits"), scores);
  $("cache").replaceChildren(el("div", { class: "title" }, el("h2", { id: "cache-title" }, "Cache"), share), off, body);
  return cache => {
    off.hidden = !!cache;
    body.hidden = share.hidden = !cache;
    if (!cache) return;
    const all = TIERS.reduce((sum, [key]) => sum + cache[key], 0);
    const hits = cache.exact + cache.similar + cache.stale + cache.collapsed;
    write(share, all ? `${Math.round(100 * hits / all)} % answered again` : "no request yet");
    pieces.forEach((piece, n) => {
      piece.style.flexGrow = cache[TIERS[n][0]];
      piece.hidden = !cache[TIERS[n][0]];
    });
    values.forEach((value, n) => write(value, String(cache[TIERS[n][0]])));
    bar.setAttribute("aria-label", `${hits} of ${all} requests were answered by the cache`);
    write(kept, cache.entries === null
      ? "Answers are kept where other gateways see them too."
      : `${cache.entries} answers are kept, in ${(cache.bytes / 1024).toFixed(0)} KiB.`);
    const newest = cache.scores.toReversed().slice(0, 12);
    if (!newest.length) {
      if (!scores.querySelector(".none")) scores.replaceChildren(el("li", { class: "none soft" }, "None yet."));
      return;
    }
    scores.querySelector(".none")?.remove();
    while (scores.children.length > newest.length) scores.lastChild.remove();
    while (scores.children.length < newest.length) scores.append(el("li"));
    newest.forEach(({ score, age_ms: age }, n) => {
      write(scores.children[n], score.toFixed(3));
      scores.children[n].title = ago(age);
    });
  };
}
