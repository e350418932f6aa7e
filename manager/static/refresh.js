// Fetches the page again every two seconds and changes what differs, so that nothing flickers, focus and selection
// stay, and a screen reader hears only what is new in the regions marked for it. Without this script the page
// refreshes as a whole.
"use strict";

const EVERY_MS = 2000;
const PATIENCE_MS = 15000;

const trouble = document.getElementById("trouble");
const pause = document.getElementById("pause");
let timer;
let paused = false;
let busy = false;

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
  } else if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
  } else {
    morphAttributes(old, fresh);
    morphChildren(old, fresh);
  }
}

function morphAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // A reader opened it.
    const kept = name === "open" && old.nodeName === "DETAILS";
    if (!kept && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

function morphChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  wanted.forEach((next, index) => {
    const here = claim(old, next, old.childNodes[index] ?? null);
    if (here) morph(here, next);
    else old.insertBefore(next, old.childNodes[index] ?? null);
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

// The child of `old` that `next` continues: the one with its id, brought to its place, else the one at its place.
function claim(old, next, here) {
  if (!next.id) return here && !here.id ? here : null;
  const known = [...old.children].find((child) => child.id === next.id);
  if (known && known !== here) old.insertBefore(known, here);
  return known;
}

function say(sentence) {
  if (trouble.textContent !== sentence) trouble.textContent = sentence;
  trouble.hidden = !sentence;
  document.body.classList.toggle("stale", Boolean(sentence));
}

async function refresh() {
  try {
    const answer = await fetch(location.href, {
      headers: { Accept: "text/html", "Retinue-Refresh": "1" },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.redirected) return location.reload(); // signed out meanwhile
    show(new DOMParser().parseFromString(await answer.text(), "text/html"), answer.ok);
  } catch {
    say("The manager does not answer. What is shown is not up to date.");
  }
}

function show(page, ok) {
  const message = page.getElementById("message");
  const wasError = document.getElementById("message");
  if (ok && wasError) {
    location.reload();
  } else if (ok || wasError) {
    say("");
    document.title = page.title;
    morph(document.getElementById("content"), page.getElementById("content"));
  } else {
    say(`${message ? message.textContent : "The manager has a problem."} What is shown is not up to date.`);
  }
}

async function keepFresh() {
  clearTimeout(timer);
  if (paused || busy || document.hidden) return;
  busy = true;
  await refresh();
  busy = false;
  timer = setTimeout(keepFresh, EVERY_MS);
}

function togglePause() {
  paused = !paused;
  pause.textContent = paused ? "Resume" : "Pause";
  keepFresh();
}

if (pause) {
  pause.hidden = false;
  pause.addEventListener("click", togglePause);
}
document.addEventListener("visibilitychange", keepFresh);
timer = setTimeout(keepFresh, EVERY_MS);
