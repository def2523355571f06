// The columns of the list of samples, and the elements of its rows.

import { duration, h, remembered, secondsOf, tempo } from "./dom.js";

const WORDS = { exported: "exported", unchanged: "exported", rejected: "rejected", failed: "failed", removed: "removed" };
/** How a sample stands: as its last export left it, but for one whose exported files are all removed. */
export const stateOf = (sample) => (sample.removed ? "removed" : sample.status ?? "new");
/** All columns; `width` is that of the CSS grid. Those without `always` can be hidden. */
const COLUMNS = [
  { key: "pick", label: "Select", width: "40px", always: true },
  { key: "wave", label: "Sound", width: "128px", always: true },
  { key: "title", label: "Title", sort: "title", width: "minmax(140px, 3fr)", always: true },
  { key: "genre", label: "Genre", sort: "genre", width: "minmax(80px, 1fr)" },
  { key: "bpm", label: "BPM", sort: "bpm", width: "62px" },
  { key: "key", label: "Key", sort: "key", width: "62px" },
  { key: "seconds", label: "Length", sort: "seconds", width: "70px" },
  { key: "format", label: "Format", sort: "format", width: "110px", isExtra: true },
  { key: "status", label: "Status", sort: "status", width: "96px" },
];

/** The columns that can be shown and hidden, with whether each is shown. */
export function columnChoices() {
  const hidden = remembered.get("hidden-columns", COLUMNS.filter(({ isExtra }) => isExtra).map(({ key }) => key));
  return COLUMNS.filter(({ always }) => !always).map(({ key, label }) => ({ key, label, isShown: !hidden.includes(key) }));
}

export function chooseColumns(shown) {
  remembered.set("hidden-columns", COLUMNS.filter(({ key, always }) => !always && !shown.includes(key)).map(({ key }) => key));
}

export function shownColumns() {
  const shown = new Set(columnChoices().filter(({ isShown }) => isShown).map(({ key }) => key));
  return COLUMNS.filter(({ key, always }) => always || shown.has(key));
}

/** The cell above a column; `sort` is called with what the column sorts by. */
export function makeHeadCell(column, at, sort) {
  const cell = h("div", { role: "columnheader", class: `cell c-${column.key}`, "aria-colindex": String(at + 1) });
  if (column.sort) cell.append(h("button", { type: "button", class: "sort", tabindex: "-1", onclick: () => sort(column.sort) }, column.label));
  else cell.append(column.key === "pick" ? h("span", { class: "visually-hidden" }, column.label) : column.label);
  return cell;
}

/** A row that is not here yet. */
export function makeSkeleton(row, columns) {
  const cells = columns.map(({ key }, at) => h("div", { role: "gridcell", class: `cell c-${key}`, "aria-colindex": String(at + 1), tabindex: "-1" }, h("span", { class: "bone" })));
  return h("div", { role: "row", class: "row skeleton", "aria-rowindex": String(row + 2) }, cells);
}

const hidden = (text) => h("span", { class: "visually-hidden" }, text);

const CONTENTS = {
  pick: (sample, isSelected) => [h("span", { class: "box", "aria-hidden": "true" }), hidden(isSelected ? "selected" : "not selected")],
  wave: () => [h("canvas", { class: "wave", "aria-hidden": "true" }), hidden("Play")],
  title: (sample) => [h("span", { class: "name", title: sample.file_path }, sample.title), h("span", { class: "tags" }, (sample.tags ?? "").replaceAll("|", " "))],
  genre: (sample) => [sample.genre ?? ""],
  bpm: (sample) => [tempo(sample.bpm)],
  key: (sample) => [sample.musical_key ?? ""],
  seconds: (sample) => [duration(secondsOf(sample))],
  format: (sample) => [[sample.source_format, sample.source_rate_hz && `${sample.source_rate_hz / 1000} kHz`].filter(Boolean).join(" ")],
  status: (sample) => [h("span", { class: `status s-${stateOf(sample)}` }, WORDS[stateOf(sample)] ?? "new")],
};

/** The row of a sample. */
export function makeRow(row, sample, isSelected, columns, listeners) {
  const cells = columns.map(({ key }, at) => h("div", { role: "gridcell", class: `cell c-${key}`, "aria-colindex": String(at + 1), tabindex: "-1" }, CONTENTS[key](sample, isSelected)));
  return h("div", { role: "row", class: `row${isSelected ? " selected" : ""}`, "aria-rowindex": String(row + 2), "aria-selected": String(isSelected), ...listeners }, cells);
}
