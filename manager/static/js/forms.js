// Puts the token of this page's session into what is sent: parts that many pages share come without one.

const token = document.querySelector('meta[name="csrf"]')?.content;

if (token) {
  document.addEventListener("submit", ({ target }) => {
    const field = target.querySelector('input[name="csrf_token"]');
    if (field) field.value = token;
  });
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    detail.headers["X-CSRFToken"] = token;
  });
}

// A menu closes when the reader turns to something else.
document.addEventListener("click", ({ target }) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
});
