// Changes only what differs, so that nothing flickers, and what a reader did stays: focus, selection, what is open,
// chosen or half written.

function written(node) {
  if (node.type === "checkbox" || node.type === "radio") return node.checked !== node.defaultChecked;
  if (node.tagName === "SELECT") return [...node.options].some((each) => each.selected !== each.defaultSelected);
  return "defaultValue" in node && node.type !== "hidden" && node.value !== node.defaultValue;
}

const CALLBACKS = {
  beforeNodeMorphed: (old) => !(old instanceof Element && old.matches("[data-keep]")) && !written(old),
  beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
  beforeNodeRemoved: (node) => !(node instanceof Element && node.matches("[data-keep]")),
};

export function merge(element, html) {
  const here = element.querySelector(".here");
  window.Idiomorph.morph(element, html, {
    morphStyle: "innerHTML",
    ignoreActiveValue: true,
    restoreFocus: true,
    callbacks: CALLBACKS,
  });
  if (here?.isConnected) here.classList.add("here");
  window.htmx?.process(element);
  element.dispatchEvent(new CustomEvent("retinue:merged", { bubbles: true }));
}
