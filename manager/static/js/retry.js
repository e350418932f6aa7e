// A page that says that it could not be made asks again by itself, and is loaded as soon as it can be.

const EVERY_MS = 3000;

async function ask() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "Retinue-Refresh": "1" } });
    if (answer.status !== 503) return location.reload();
  } catch {
    // The manager itself is away: the page says already that something is.
  }
  setTimeout(ask, EVERY_MS);
}

if (document.querySelector("[data-retry]")) setTimeout(ask, EVERY_MS);
