// What every page does beyond what it shows without a script. Each part works alone.
import "./forms.js";
import "./keys.js";
import "./live.js";
import "./retry.js";
import "./times.js";
import "./charts.js";

// On a narrow screen the navigation is wider than the page: where one is shall be seen.
const nav = document.querySelector(".rail nav");
const here = nav?.querySelector("[aria-current]");
if (here && nav.scrollWidth > nav.clientWidth) nav.scrollLeft = here.offsetLeft - nav.clientWidth / 2;
