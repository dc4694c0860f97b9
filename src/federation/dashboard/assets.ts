import { PAGE_STYLE } from "../../dp/mod.ts";

/** The dashboard's style sheet: that of the report, and what a live page needs besides. */
export const STYLE_SHEET: string = `${PAGE_STYLE}
body { max-width: 76rem; }
header form { margin: .5rem 0; }
button { font: inherit; padding: .3rem .9rem; color: var(--ink); background: var(--panel);
  border: 1px solid var(--soft); border-radius: 4px; cursor: pointer; }
button:focus-visible { outline: 3px solid var(--bar); outline-offset: 2px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .3rem .6rem; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: .75rem 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
tbody th { white-space: nowrap; }
.hash, td:last-child { overflow-wrap: anywhere; }
@media print { .skip, header form, #connection { display: none; } }
`;

/**
 * The page's own script: at every event it fetches the page's content anew and puts it in place of the old one. Without
 * it the page is the same, as of when it was loaded.
 */
export const LIVE_SCRIPT = `
const home = new URL(".", document.currentScript.src);
const connection = document.getElementById("connection");
const main = document.getElementById("main");
const say = (text) => { connection.textContent = text; };
let busy = false, again = false;
async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const response = await fetch(location.pathname + "?part=main", { headers: { accept: "text/html" } });
    if (!response.ok) throw new Error(String(response.status));
    const scrolled = [...main.querySelectorAll(".scroll")].map((element) => element.scrollLeft);
    const focused = document.activeElement && document.activeElement.getAttribute("aria-label");
    main.innerHTML = await response.text();
    main.querySelectorAll(".scroll").forEach((element, i) => { element.scrollLeft = scrolled[i] || 0; });
    if (focused) main.querySelector('[aria-label="' + CSS.escape(focused) + '"]')?.focus();
    say("Live, as of " + new Date().toLocaleTimeString() + ".");
  } catch { say("The aggregator does not answer; trying again."); }
  busy = false;
  if (again) { again = false; setTimeout(refresh, 250); }
}
const events = new EventSource(new URL("events", home));
events.onopen = refresh;
events.onmessage = refresh;
events.onerror = () =>
  say(
    events.readyState === EventSource.CLOSED
      ? "This page no longer follows: close other dashboards, then load it again."
      : "The connection is lost; trying again.",
  );
`;
