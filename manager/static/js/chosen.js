// Chosen rows: one box chooses all of the page, and the bar says how many there are.

const count = document.getElementById("chosen-count");
const bar = document.getElementById("acts");

// Jobs that a person has chosen: a row that a live region draws anew stays so.
let kept = new Set();

function boxes() {
  return [...document.querySelectorAll('input[form="chosen"][name="id"]')];
}

function tell() {
  const all = boxes();
  const chosen = all.filter((box) => box.checked).length;
  const every = document.querySelector("input[data-all]");
  if (every) {
    every.hidden = all.length === 0;
    every.checked = chosen > 0 && chosen === all.length;
    every.indeterminate = chosen > 0 && chosen < all.length;
  }
  if (!bar) return;
  count.textContent = chosen ? `${chosen} chosen:` : "Choose jobs:";
  bar.querySelectorAll('button[form="chosen"]').forEach((button) => (button.disabled = chosen === 0));
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input[data-all]")) boxes().forEach((box) => (box.checked = event.target.checked));
  if (!event.target.matches('input[data-all], input[form="chosen"]')) return;
  keep();
  tell();
});

function keep() {
  kept = new Set(boxes().flatMap((box) => (box.checked ? [box.value] : [])));
}

// A live region may have brought other rows.
function restore() {
  boxes().forEach((box) => (box.checked ||= kept.has(box.value)));
  tell();
}

new MutationObserver(restore).observe(document.getElementById("jobs") ?? document.body, { childList: true, subtree: true });
keep();
tell();
