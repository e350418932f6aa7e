// Suggestions while a query is written: a combobox by the pattern of the ARIA Authoring Practices Guide.

const PAUSE_MS = 120;

const input = document.querySelector("input[data-suggest]");
const list = document.getElementById("q-list");
let offered = { start: 0, end: 0, items: [] };
let here = -1;
let waiting = 0;
let asked = 0;

function close() {
  list.hidden = true;
  here = -1;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function point(to) {
  here = to;
  [...list.children].forEach((option, n) => option.setAttribute("aria-selected", String(n === here)));
  const option = list.children[here];
  if (!option) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function option(item, n) {
  const element = document.createElement("li");
  element.id = `q-option-${n}`;
  element.setAttribute("role", "option");
  element.setAttribute("aria-selected", "false");
  const code = document.createElement("code");
  code.textContent = item.insert.trim();
  const hint = document.createElement("span");
  hint.textContent = item.hint;
  element.append(code, hint);
  // Before the field loses the focus.
  element.addEventListener("mousedown", (event) => {
    event.preventDefault();
    take(n);
  });
  return element;
}

function show(found) {
  offered = found;
  list.replaceChildren(...found.items.map(option));
  here = -1;
  if (!found.items.length) return close();
  list.hidden = false;
  input.setAttribute("aria-expanded", "true");
}

async function ask() {
  const number = ++asked;
  const address = new URL(input.dataset.suggest, location.href);
  address.searchParams.set("q", input.value);
  address.searchParams.set("at", input.selectionStart ?? input.value.length);
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (answer.ok && number === asked && document.activeElement === input) show(await answer.json());
  } catch {
    close();
  }
}

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(ask, PAUSE_MS);
}

function take(n) {
  const { insert } = offered.items[n];
  input.value = input.value.slice(0, offered.start) + insert + input.value.slice(offered.end).trimStart();
  const place = offered.start + insert.length;
  input.setSelectionRange(place, place);
  close();
  ask();
}

function key(event) {
  const count = list.hidden ? 0 : offered.items.length;
  if (event.key === "Escape" && count) close();
  else if (event.key === "ArrowDown" && count) point((here + 1) % count);
  else if (event.key === "ArrowUp" && count) point((here - 1 + count) % count);
  else if (event.key === "Enter" && count && here >= 0) take(here);
  else if (event.key === "Tab" && count && here >= 0) take(here);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

if (input && list) {
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");
  input.addEventListener("input", soon);
  input.addEventListener("focus", soon);
  input.addEventListener("click", soon);
  input.addEventListener("keydown", key);
  input.addEventListener("blur", close);
  input.form.addEventListener("submit", close);
}
