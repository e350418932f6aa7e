// How the page says that what it shows is not up to date, and that there are problems: in its title and icon too.
import { duration, now } from "./times.js";

const line = document.getElementById("trouble");
const sentence = document.createElement("span");
const age = document.createElement("span");
// It changes each second, and nobody wants to hear that.
age.setAttribute("aria-hidden", "true");
line.append(sentence, age);
let since = null;

export function say(text, last) {
  if (sentence.textContent !== text) sentence.textContent = text;
  since = last;
  line.hidden = !text;
  document.body.classList.toggle("stale", Boolean(text));
  tellAge();
}

export function sayNothing() {
  if (since !== null || !line.hidden) say("", null);
}

function tellAge() {
  age.textContent = since === null ? "" : ` What is shown is ${duration((now() - since) / 1000)} old.`;
}

// The number of problems, as the navigation has it: none where nobody knows.
export function mark() {
  const count = document.querySelector("[data-troubles]")?.dataset.troubles;
  const plain = document.title.replace(/^\(\d+\) /, "");
  const title = count ? `(${count}) ${plain}` : plain;
  if (document.title !== title) document.title = title;
  const icon = document.querySelector('link[rel="icon"]');
  const wanted = count ? icon.dataset.trouble : icon.dataset.well;
  if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
}

setInterval(() => since === null || document.hidden || tellAge(), 1000);
