// Moving through the list of samples: what keys, mouse and fingers do there.

import { announce, count, remembered } from "./dom.js";

const LONG_PRESS_MS = 500;
// Four rows of four keys, where they lie on a keyboard whatever is written on them, for the sixteen pads.
const PAD_CODES = ["Digit1", "Digit2", "Digit3", "Digit4", ...[..."QWERASDFZXCV"].map((letter) => `Key${letter}`)];

/** The keys of the sixteen pads, as this browser remembers them. */
export const padCodes = () => {
  const codes = remembered.get("pad-codes", PAD_CODES);
  return Array.isArray(codes) && codes.length === PAD_CODES.length ? codes : PAD_CODES;
};

/** Give a pad another key. A key that another pad has is exchanged with it. */
export function choosePadCode(pad, code) {
  const codes = [...padCodes()];
  const other = codes.indexOf(code);
  if (other >= 0) codes[other] = codes[pad - 1];
  codes[pad - 1] = code;
  remembered.set("pad-codes", codes);
}

/** What is written on the key of a pad, on a keyboard of the United States. */
export const padKey = (pad) => padCodes()[pad - 1].replace(/^(Key|Digit)/, "").toLowerCase();

/** The pad of a key; 0 for others. */
export const padOfCode = (code) => padCodes().indexOf(code) + 1;

const HAS_MOUSE = matchMedia("(pointer: fine)");
/** `what` is dragged: {pad} or {number, ids()}. Browsers do not tell it before it is dropped. */
export const drag = { what: null };

export function beginDrag(event, what, title) {
  drag.what = what;
  event.dataTransfer.effectAllowed = "all";
  event.dataTransfer.setData("text/plain", title);
}

/** The listeners of a row. A click plays; on the first cell, or with a key held, it selects; so does a long press. */
export function pointerListeners(grid, row, sample) {
  return {
    onpointerdown: (event) => event.pointerType === "touch" && waitForLongPress(grid, row, sample),
    onclick: (event) => onClick(grid, event, row, sample),
    oncontextmenu: (event) => event.pointerType === "touch" && event.preventDefault(),
    ...(HAS_MOUSE.matches && { draggable: "true", ondragstart: (event) => beginDrag(event, grid.selection.taken(sample), sample.title), ondragend: () => (drag.what = null) }),
  };
}

function waitForLongPress(grid, row, sample) {
  grid.pressed = setTimeout(() => {
    grid.pressed = 0;
    grid.pick(row, sample);
  }, LONG_PRESS_MS);
  const cancel = () => clearTimeout(grid.pressed);
  for (const name of ["pointerup", "pointercancel", "pointermove"]) addEventListener(name, cancel, { once: true });
}

function onClick(grid, event, row, sample) {
  if (grid.pressed === 0) {
    grid.pressed = undefined;
    return;
  }
  const cell = event.target.closest("[role=gridcell]");
  const at = cell ? [...cell.parentElement.children].indexOf(cell) : grid.focused.cell;
  const isPick = grid.columns[at].key === "pick";
  const isHeld = event.shiftKey || event.ctrlKey || event.metaKey;
  grid.focusRow(row, { cell: at, audition: !isPick && !isHeld });
  if (event.shiftKey) grid.extendTo(row);
  else if (isPick || isHeld) grid.pick(row, sample);
}

/** Keys in the list. What moves also plays, but not while a key is held down. */
export function onKey(grid, event) {
  const { row, cell } = grid.focused;
  const page = Math.max(Math.floor(grid.scroller.clientHeight / grid.rowHeight) - 1, 1);
  const ctrl = event.ctrlKey || event.metaKey;
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
  const audition = !event.repeat;
  const last = grid.columns.length - 1;
  if (event.altKey) return;
  const isExtending = event.shiftKey && event.key in steps;
  if (isExtending && !grid.isExtending) grid.anchor = row;
  grid.isExtending = isExtending;
  if (event.key in steps) {
    grid.focusRow(row + steps[event.key], { audition: audition && !event.shiftKey });
    if (isExtending) grid.extendTo(grid.focused.row);
  } else if (ctrl && (event.key === "Home" || event.key === "End")) {
    grid.focusRow(event.key === "Home" ? 0 : Infinity, { audition });
  } else if (event.key === "Home" || event.key === "End") {
    grid.focusRow(row, { cell: event.key === "Home" ? 0 : last });
  } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    grid.focusRow(row, { cell: Math.min(Math.max(cell + (event.key === "ArrowLeft" ? -1 : 1), 0), last) });
  } else if (ctrl && event.key.toLowerCase() === "a") {
    grid.selection.all(grid.samples.query.filter, grid.samples.total ?? 0);
    announce(`All ${count(grid.selection.size, "sample")} selected`);
  } else if (ctrl || !grid.sample) {
    return;
  } else if (event.key === " ") {
    if (!event.repeat) grid.focusRow(row, { audition: true });
  } else if (event.key === "x") {
    grid.pick(row, grid.sample);
  } else if (event.key === "Enter") {
    grid.dispatchEvent(new CustomEvent("open", { detail: grid.sample }));
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}
