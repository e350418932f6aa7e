// Draws the charts of a page with uPlot in place of the server's drawing, and keeps them fresh. What it needs is loaded
// only where there is a chart.
const EVERY_MS = 60000;
const HEIGHT = 132;
const DASHES = { 3: [5, 3], 4: [2, 3] };
const THIN = "\u202f";
const NO_BREAK = "\u00a0";

function grouped(number) {
  return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

function seconds(value) {
  if (value >= 3600) return `${trimmed(value / 3600)}${NO_BREAK}h`;
  if (value >= 60) return `${trimmed(value / 60)}${NO_BREAK}min`;
  return value >= 1 || value === 0 ? `${trimmed(value)}${NO_BREAK}s` : `${Math.round(value * 1000)}${NO_BREAK}ms`;
}

function trimmed(value) {
  return String(Number(value.toFixed(value < 10 ? 1 : 0)));
}

function bytes(value) {
  return value >= 1e9 ? `${trimmed(value / 1e9)}${NO_BREAK}GB` : `${trimmed(value / 1e6)}${NO_BREAK}MB`;
}

const UNITS = { jobs: grouped, number: grouped, seconds, bytes };
const written = (unit, value) => (value == null ? "–" : (UNITS[unit] ?? grouped)(value));

function colour(name) {
  // The tokens are light-dark(): what one comes to is asked of an element.
  const probe = document.createElement("i");
  probe.className = `probe ${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// Half a job stands nowhere.
function tick(unit, value) {
  return unit === "jobs" && !Number.isInteger(value) ? "" : written(unit, value);
}

function axes(figures, ink) {
  const line = { stroke: ink.line, width: 1 };
  const shared = { stroke: ink.quiet, font: "11px Inter Variable, sans-serif", ticks: { show: false } };
  return [
    { ...shared, grid: { show: false }, values: times(figures), space: 64, size: 22 },
    { ...shared, grid: line, size: 52, space: 36, values: (_, splits) => splits.map((each) => tick(figures.unit, each)) },
  ];
}

function times(figures) {
  const whole = figures.at.at(-1) - figures.at[0] > 172800;
  const options = whole ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hour12: false };
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
  return (_, splits) => splits.map((each) => format.format(each * 1000));
}

// Bars stand one upon the other: each line is drawn with those below it added, the highest first.
function stacked(figures) {
  const sums = [];
  let below = figures.at.map(() => 0);
  for (const line of figures.lines) {
    below = line.values.map((value, index) => (value ?? 0) + below[index]);
    sums.push(below);
  }
  return sums.reverse();
}

function series(figures, lines, ink) {
  const bars = figures.kind === "bars";
  return lines.map((line) => ({
    label: line.name,
    stroke: bars ? undefined : ink[line.tone],
    fill: bars ? ink[line.tone] : undefined,
    width: bars ? 0 : 1.75,
    dash: bars ? undefined : DASHES[line.tone],
    paths: bars ? window.uPlot.paths.bars({ size: [0.74, 28], gap: 0 }) : undefined,
    points: { show: false },
    spanGaps: false,
  }));
}

function options(figure, figures, ink) {
  const bars = figures.kind === "bars";
  const lines = bars ? [...figures.lines].reverse() : figures.lines;
  return {
    width: figure.querySelector(".plot").clientWidth,
    height: HEIGHT,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    tzDate: (stamp) => window.uPlot.tzDate(new Date(stamp * 1000), "Etc/UTC"),
    cursor: { y: false, drag: { x: false, y: false }, points: { show: !bars, size: 6 }, sync: { key: "charts" } },
    scales: { x: { range: range(figures) }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: axes(figures, ink),
    series: [{}, ...series(figures, lines, ink)],
    hooks: { setCursor: [(plot) => tellKeys(figure, figures, plot.cursor.idx)] },
  };
}

function range(figures) {
  const half = figures.kind === "bars" ? figures.step / 2 : 0;
  return () => [figures.at[0] - half, figures.at.at(-1) + half];
}

function data(figures) {
  const values = figures.kind === "bars" ? stacked(figures) : figures.lines.map((line) => line.values);
  return [figures.at, ...values];
}

// The head says the newest figures, or those under the pointer.
function tellKeys(figure, figures, index) {
  figure.querySelectorAll(".legend .value").forEach((element, line) => {
    const values = figures.lines[line]?.values ?? [];
    const value = index == null ? values.findLast((each) => each !== null) : values[index];
    element.textContent = written(figures.unit, value);
  });
  const moment = figure.querySelector(".moment");
  if (moment) moment.textContent = index == null ? "" : stamp(figures.at[index]);
}

function stamp(at) {
  return new Date(at * 1000).toISOString().slice(5, 16).replace("T", " ");
}

function tellTable(figure, figures) {
  const body = figure.querySelector("tbody");
  if (!body) return;
  const rows = figures.at.map((at, index) => [at, figures.lines.map((line) => line.values[index])]).reverse();
  body.replaceChildren(...rows.filter(([, values]) => values.some(Boolean)).map((row) => tableRow(figures, row)));
}

function tableRow(figures, [at, values]) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = stamp(at);
  const cells = values.map((value) => {
    const cell = document.createElement("td");
    cell.className = "number";
    cell.textContent = written(figures.unit, value);
    return cell;
  });
  row.append(head, ...cells);
  return row;
}

function inks(figures) {
  const tones = figures.lines.map(({ tone }) => [tone, colour(`tone-${tone}`)]);
  return { ...Object.fromEntries(tones), quiet: colour("quiet"), line: colour("line-colour") };
}

function draw(figure, figures) {
  figure.figures = figures;
  const plot = figure.querySelector(".plot");
  figure.drawn?.destroy();
  plot.replaceChildren();
  figure.drawn = new window.uPlot(options(figure, figures, inks(figures)), data(figures), plot);
  tellKeys(figure, figures, null);
}

// What stands in the page itself; a region of its own where it is live.
function read(figure) {
  const figures = JSON.parse(figure.querySelector(".figures-json").textContent);
  draw(figure, figures);
  return figures;
}

async function load(figure) {
  const answer = await fetch(figure.dataset.series, { headers: { Accept: "application/json", "Retinue-Refresh": "1" } });
  if (!answer.ok || answer.redirected) return;
  const figures = await answer.json();
  if (JSON.stringify(figures) === JSON.stringify(figure.figures)) return;
  draw(figure, figures);
  tellTable(figure, figures);
}

function loadAll() {
  if (document.hidden || document.body.classList.contains("paused")) return;
  // Where the manager does not answer, the page says so, and what is drawn stays.
  for (const figure of charts()) if (!isLive(figure)) load(figure).catch(() => undefined);
}

const charts = () => document.querySelectorAll("figure.chart");
const isLive = (figure) => figure.querySelector(".figures-json").hasAttribute("data-live");

function redraw() {
  for (const figure of charts()) draw(figure, figure.figures);
}

function told({ target }) {
  if (!target.matches(".figures-json")) return;
  const figure = target.closest("figure.chart");
  tellTable(figure, read(figure));
}

function library() {
  const script = document.createElement("script");
  script.src = new URL("../vendor/uplot/uPlot.iife.min.js", import.meta.url).pathname;
  script.onload = start;
  document.head.append(script);
}

function start() {
  charts().forEach(read);
  setInterval(loadAll, EVERY_MS);
  document.addEventListener("retinue:merged", told);
  document.addEventListener("visibilitychange", loadAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = innerWidth;
  addEventListener("resize", () => innerWidth !== width && ((width = innerWidth), redraw()));
}

if (document.querySelector("figure.chart")) library();
