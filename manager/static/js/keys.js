// What can be done without a pointer. `?` lists it.

const dialog = document.getElementById("keys");
const help = document.getElementById("help");
let leading = false;

function rows() {
  return [...document.querySelectorAll("table.list tbody tr, [data-row]")].filter((row) => row.offsetParent);
}

// The row that has the focus, which stays where it is when the rows around it change; or the one gone to last.
function chosen() {
  return document.activeElement?.closest("table.list tbody tr, [data-row]") ?? document.querySelector(".here");
}

function step(by) {
  const all = rows();
  const here = all.indexOf(chosen());
  const next = all[Math.min(all.length - 1, Math.max(0, here + by))];
  if (!next) return;
  for (const row of document.querySelectorAll(".here")) row.classList.remove("here");
  next.classList.add("here");
  next.scrollIntoView({ block: "nearest" });
  (next.querySelector("a[href]") ?? next.querySelector("button, input") ?? next).focus({ preventScroll: true });
}

const ACTIONS = {
  "/": () => (document.querySelector("[data-search]") ?? document.getElementById("search"))?.focus(),
  "?": () => dialog?.showModal(),
  j: () => step(1),
  k: () => step(-1),
  Enter: () => chosen()?.querySelector("a[href]")?.click(),
  x: () => chosen()?.querySelector('input[type="checkbox"]')?.click(),
  r: () => document.dispatchEvent(new Event("retinue:look")),
  ".": () => document.getElementById("pause")?.click(),
  g: () => {
    leading = true;
    setTimeout(() => (leading = false), 1500);
  },
};

function follow(key) {
  leading = false;
  document.querySelector(`.rail a[data-key="${CSS.escape(key)}"]`)?.click();
}

function writes(target) {
  return target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.type !== "checkbox";
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape" && writes(event.target)) event.target.blur();
  if (writes(event.target) || dialog?.open) return;
  if (leading) return follow(event.key);
  // A link or button that has the focus is followed by the browser itself.
  if (event.key === "Enter" && event.target !== document.body && !event.target.matches("tr")) return;
  const action = ACTIONS[event.key];
  if (!action) return;
  if (event.key !== "Enter" || chosen()) event.preventDefault();
  action();
});

if (help) {
  help.hidden = false;
  help.addEventListener("click", () => dialog.showModal());
}
