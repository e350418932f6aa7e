// Keeps the regions of a page (data-live) up to date by one stream of events: see manager/live/stream.py. Where there
// is no stream to be had, the page is fetched now and then instead. A page that nobody sees only asks how many
// problems there are.
import { merge } from "./merge.js";
import { now, tell } from "./times.js";
import { mark, say, sayNothing } from "./trouble.js";

const QUIET_MS = 12000; // two beats missed
const POLL_MS = 5000;
const STREAM_AGAIN_MS = 30000;
const HIDDEN_MS = 20000;
const PATIENCE_MS = 15000;

const address = document.querySelector('meta[name="live"]')?.content;
const pause = document.getElementById("pause");
const regions = () => [...document.querySelectorAll("[data-live]")];

let source = null;
let shown = []; // what names the regions, once each
let seen = "";
const asOf = document.querySelector('meta[name="as-of"]')?.content;
let heard = asOf ? Date.parse(asOf) : now(); // when the page was last known to be up to date
let stale = null;
let paused = false;
let timer = null;

function open() {
  close();
  const wanted = [...new Set(regions().map((region) => region.dataset.live))];
  if (wanted.join() !== shown.join()) seen = "";
  shown = wanted;
  const query = new URLSearchParams(shown.map((name) => ["r", name]));
  query.append("seen", seen);
  source = new EventSource(`${address}?${query}`);
  source.addEventListener("show", show);
  source.addEventListener("stale", ({ data }) => (stale = JSON.parse(data)) && tellStale());
  source.addEventListener("fresh", () => (stale = null) ?? hear());
  source.addEventListener("beat", hear);
  source.addEventListener("again", open);
  source.addEventListener("error", fail);
}

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function show({ data, lastEventId }) {
  const [index, html] = JSON.parse(data);
  seen = lastEventId;
  for (const region of regions()) if (region.dataset.live === shown[index]) put(region, html);
  hear();
}

function put(region, html) {
  merge(region, html);
  tell(region);
  mark();
}

function hear() {
  if (stale) return tellStale();
  heard = now();
  sayNothing();
}

function tellStale() {
  heard = Math.min(heard, Date.parse(stale.since));
  say(stale.message, heard);
}

// A stream that could not be had at all: signed out, too many of them, or no manager.
function fail() {
  if (source.readyState !== EventSource.CLOSED) return;
  close();
  poll();
}

async function poll(again = now() + STREAM_AGAIN_MS) {
  try {
    await look();
  } catch {
    say("The manager does not answer.", heard);
    again = 0; // as soon as it does, the stream will
  }
  if (paused || document.hidden) return;
  timer = setTimeout(() => (now() > again ? open() : poll(again)), again ? POLL_MS : POLL_MS / 2);
}

async function look() {
  const answer = await fetch(location.href, {
    headers: { Accept: "text/html", "Retinue-Refresh": "1" },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (answer.redirected) return location.reload(); // signed out meanwhile
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok) return say(page.getElementById("message")?.textContent ?? "The manager has a problem.", heard);
  const fresh = [...page.querySelectorAll("[data-live]")];
  regions().forEach((region, index) => fresh[index] && put(region, fresh[index].innerHTML));
  stale = null;
  hear();
}

// Nobody sees the page, but its title and icon.
async function glance() {
  try {
    const answer = await fetch(`${address}/troubles`, { headers: { "Retinue-Refresh": "1" } });
    if (answer.ok && !answer.redirected) put(document.getElementById("troubles"), await answer.text());
  } catch {
    // It says so when it is looked at.
  }
  if (document.hidden) timer = setTimeout(glance, HIDDEN_MS);
}

function follow() {
  close();
  if (document.hidden) timer = setTimeout(glance, HIDDEN_MS);
  else if (!paused) open();
}

function togglePause() {
  paused = !paused;
  pause.textContent = paused ? "Resume" : "Pause";
  document.body.classList.toggle("paused", paused);
  follow();
}

function watch() {
  if (source && !document.hidden && now() - heard > QUIET_MS && !stale) say("The manager does not answer.", heard);
}

if (address) {
  pause.hidden = false;
  pause.addEventListener("click", togglePause);
  document.addEventListener("visibilitychange", follow);
  document.addEventListener("retinue:look", open);
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", ({ persisted }) => persisted && follow());
  setInterval(watch, 1000);
  mark();
  follow();
}
