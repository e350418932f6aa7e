// Counts ages on, each second, so that nothing has to be sent for them. The same words as manager/formats.py.

const NO_BREAK = "\u00a0";
const SMALLER = { 86400: [3600, "h", "d"], 3600: [60, "min", "h"], 60: [1, "s", "min"] };

// 8 s, 3 min 20 s, 5 h 2 min, 12 d
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}${NO_BREAK}s`;
  const size = [86400, 3600, 60].find((each) => whole >= each);
  const [part, partUnit, unit] = SMALLER[size];
  const count = Math.floor(whole / size);
  const rest = Math.floor((whole % size) / part);
  const words = rest && count < 10 ? [count, unit, rest, partUnit] : [count, unit];
  return words.join(NO_BREAK);
}

function told(element, now) {
  const seconds = (now - Date.parse(element.dateTime)) / 1000;
  if (element.dataset.told === "for") return duration(seconds);
  // What has just come may lie ahead by what the clocks differ.
  return seconds > -2 ? `${duration(seconds)}${NO_BREAK}ago` : `in${NO_BREAK}${duration(-seconds)}`;
}

// The server's clock, so that a reader's own may be wrong.
const ahead = Date.parse(document.querySelector('meta[name="now"]')?.content ?? "") - Date.now() || 0;

export function now() {
  return Date.now() + ahead;
}

export function tell(root = document) {
  const at = now();
  for (const element of root.querySelectorAll("time[data-told]")) {
    const text = told(element, at);
    if (element.firstChild?.data !== text) element.textContent = text;
  }
}

setInterval(() => document.hidden || tell(), 1000);
document.addEventListener("visibilitychange", () => document.hidden || tell());
