// Elements, texts and numbers. What other people named gets into the page as text alone, never as HTML.

/** Make an element. `on...` are listeners, `css` is set through the style object, as the page's policy asks for. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "css") Object.assign(node.style, value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (typeof value !== "string" && name in node) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

let pressed = null;
const waiting = new Map();
addEventListener("pointerdown", ({ target }) => { pressed = target; }, true);
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, released, true);
addEventListener("pointermove", ({ buttons }) => pressed && !buttons && released(), true); // let go outside the window

function released() {
  pressed = null;
  setTimeout(() => { // after the click
    const draws = [...waiting.values()];
    waiting.clear();
    for (const draw of draws) draw();
  });
}

/** Draw an element anew; while something in it is pressed, only afterwards: a browser forgets the click on what is replaced meanwhile. */
export function whenReleased(node, draw) {
  if (pressed && node.contains(pressed)) waiting.set(node, draw);
  else {
    waiting.delete(node);
    draw();
  }
}

/** Put other children into an element. */
export function fill(node, ...children) {
  whenReleased(node, () => node.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false)));
  return node;
}

const FOCUSABLE = "a[href], button, input, select, summary, textarea";
const signature = (node) => `${node.tagName} ${node.getAttribute("aria-label") ?? node.closest("label")?.querySelector(".value, span")?.textContent ?? node.textContent}`;

/** Put other children into an element; what had the focus there has it again, if it is still there. */
export function refill(node, ...children) {
  whenReleased(node, () => {
    const before = node.contains(document.activeElement) ? document.activeElement : null;
    const alike = () => [...node.querySelectorAll(FOCUSABLE)].filter((other) => signature(other) === signature(before));
    const at = before ? alike().indexOf(before) : -1;
    fill(node, ...children);
    if (before) alike()[Math.max(at, 0)]?.focus({ preventScroll: true });
  });
  return node;
}

/** Begin to watch a dialog; return what says whether it was closed since: an answer that comes then must not open it again. */
export function closedSince(dialog) {
  const wasOpen = dialog.open;
  let isClosed = false;
  if (wasOpen) dialog.addEventListener("close", () => (isClosed = true), { once: true });
  return () => isClosed || (wasOpen && !dialog.open); // the event comes a moment later
}

export const byId = (id) => document.getElementById(id);

/** Say something to people who do not see the page, once others have finished. */
export function announce(text) {
  byId("live").textContent = text;
}

const INTEGER = new Intl.NumberFormat("en");

export const integer = (number) => INTEGER.format(number);

/** "1 sample", "2,000 samples". */
export const count = (number, noun) => `${integer(number)} ${noun}${number === 1 ? "" : "s"}`;

export function duration(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

export function megabytes(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export const tempo = (bpm) => (bpm === null ? "" : String(Math.round(bpm * 100) / 100));

export const level = (dbfs) => (dbfs === null || dbfs === undefined ? "" : `${dbfs.toFixed(1)} dB`);

const STEPS = [[86400, "day"], [3600, "hour"], [60, "minute"]];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** "2 hours ago", for people; the exact time belongs into a title. */
export function ago(time) {
  const seconds = (Date.now() - new Date(time).getTime()) / 1000;
  const [size, unit] = STEPS.find(([size]) => seconds >= size) ?? [1, "second"];
  return RELATIVE.format(-Math.max(Math.floor(seconds / size), 0), unit);
}

export const clock = (time) => new Date(time).toLocaleString();

/** Seconds of a source, where the records know its length. */
export const secondsOf = (sample) =>
  sample.source_frames && sample.source_rate_hz ? sample.source_frames / sample.source_rate_hz : null;

/** Call `later` once, `ms` after the last call. */
export function debounce(ms, later) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => later(...args), ms);
  };
}

/** A problem with a button that tries again; a busy server counts down first. */
export function problemNote(problem, again) {
  const button = h("button", { type: "button", onclick: again }, "Try again");
  if (problem.retryAfter) {
    let left = problem.retryAfter;
    button.disabled = true;
    button.textContent = `Try again in ${left} s`;
    const timer = setInterval(() => {
      left -= 1;
      button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
      if (left > 0) return;
      clearInterval(timer);
      button.disabled = false;
      if (button.isConnected) again();
    }, 1000);
  }
  return h("div", { class: "problem", role: "alert" }, h("p", {}, h("strong", {}, problem.message)), problem.fix && h("p", {}, problem.fix), button);
}

/** What this browser remembers; everything else is in the address or on the server. */
export const remembered = {
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`sp404.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`sp404.${name}`, JSON.stringify(value));
    } catch {
      // A private window may refuse: then it is forgotten.
    }
  },
};

/** Show the colours that were chosen: those of the system, dark or light. */
export function applyTheme() {
  document.documentElement.dataset.theme = remembered.get("theme", "");
}

/** Do one thing after the other: gives what takes the next one, and gives back what comes of it. */
export function oneAtATime() {
  let last = Promise.resolve();
  return (act) => {
    const done = last.then(act);
    last = done.catch(() => {});
    return done;
  };
}

/** Load a module when it is wanted. */
export async function lazily(load) {
  try {
    return await load();
  } catch (error) {
    byId("banner").hidden = false;
    byId("banner").textContent = "A part of the page could not be loaded. Is the server still there? Reload the page.";
    throw error;
  }
}
