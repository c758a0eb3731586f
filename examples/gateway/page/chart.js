// What is in flight and waits, under the limit, over the last minute; and what the breaker did, as a band below.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, BAND] = [600, 120, 6];
export const SPAN_MS = 60_000;

export function chart() {
  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + BAND + 4}`, preserveAspectRatio: "none", role: "img", class: "chart" });
  const grid = node("path", { class: "grid" });
  const area = node("path", { class: "area" });
  const [flight, waits, limit] = ["flight", "waits", "limit"].map(name => node("path", { class: `line ${name}` }));
  const band = node("g", {});
  svg.append(grid, area, waits, flight, limit, band);
  return { svg, draw: points => draw({ svg, grid, area, flight, waits, limit, band }, points) };
}

// The top of the chart. A limit far above all that goes on would flatten the rest, and stays outside.
export function top(points) {
  const most = Math.max(...points.map(point => point.inFlight), ...points.map(point => point.waiting), 0);
  const near = points.map(point => point.limit).filter(limit => limit <= Math.max(24, 2.5 * most));
  const wanted = 1.15 * Math.max(most, ...near, 4);
  const step = 10 ** Math.floor(Math.log10(wanted));
  return [1, 1.6, 2, 2.6, 3, 4, 5, 6, 8, 10].map(n => n * step).find(n => n >= wanted);
}

function draw(parts, points) {
  const now = points.at(-1).at;
  const most = top(points);
  const x = at => (WIDTH * (1 - (now - at) / SPAN_MS)).toFixed(1);
  const y = value => (HEIGHT - HEIGHT * Math.min(value / most, 1.2) + 1).toFixed(1);
  const line = of => points.map((point, n) => `${n ? "L" : "M"}${x(point.at)} ${y(of(point))}`).join("");
  const flight = line(point => point.inFlight);
  parts.grid.setAttribute("d", [0, 0.5, 1].map(part => `M0 ${y(part * most)}H${WIDTH}`).join(""));
  parts.flight.setAttribute("d", flight);
  parts.area.setAttribute("d", `${flight}L${WIDTH} ${y(0)}L${x(points[0].at)} ${y(0)}Z`);
  parts.waits.setAttribute("d", points.some(point => point.waiting) ? line(point => point.waiting) : "");
  parts.limit.setAttribute("d", line(point => point.limit));
  // Equal states that follow each other are one piece.
  const pieces = [];
  for (const point of points) {
    const last = pieces.at(-1);
    if (last?.state === point.breaker) last.to = point.at;
    else pieces.push({ state: point.breaker, from: last?.to ?? point.at, to: point.at });
  }
  parts.band.replaceChildren(...pieces.map(({ state, from, to }) => node("rect", {
    class: `band ${state}`, x: x(from), width: Math.max(x(to) - x(from), 1), y: HEIGHT + 4, height: BAND,
  })));
}

function node(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
