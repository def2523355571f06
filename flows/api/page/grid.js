// The list of samples: a virtual ARIA grid. Only the rows in sight are in the page, and the one that has the focus.

import { announce, count, duration, fill, h, integer } from "./dom.js";
import { onKey, pointerListeners } from "./moves.js";
import { makeHeadCell, makeRow, makeSkeleton, shownColumns, stateOf } from "./rows.js";

const SPARE_ROWS = 6;
const MOBILE = matchMedia("(max-width: 700px)");

/**
 * Events: "focusrow" ({sample, row, audition}), "open" (sample), "sort" ({sort, order}), "drawn".
 */
export class Grid extends EventTarget {
  constructor(samples, selection, waves) {
    super();
    Object.assign(this, { samples, selection, waves, focused: { row: 0, cell: 2 }, anchor: 0, rows: new Map() });
    this.head = h("div", { role: "row", class: "grid-head", "aria-rowindex": "1" });
    this.space = h("div", { class: "grid-space", role: "rowgroup" });
    this.scroller = h("div", { class: "grid-scroll", onscroll: () => this.draw() }, this.space);
    this.message = h("div", { class: "grid-message" });
    this.grid = h(
      "div",
      { role: "grid", class: "grid", "aria-label": "Samples", "aria-multiselectable": "true", onkeydown: (event) => onKey(this, event) },
      h("div", { role: "rowgroup" }, this.head),
      this.scroller,
    );
    this.element = h("div", { class: "grid-box" }, this.grid, this.message);
    this.setColumns();
    samples.addEventListener("change", () => this.draw());
    samples.addEventListener("reset", () => this.toTop());
    samples.addEventListener("failed", () => this.draw());
    selection.addEventListener("change", () => this.draw());
    waves.addEventListener("drawn", (event) => this.paintWave(event.detail));
    new ResizeObserver(() => this.draw()).observe(this.scroller);
  }

  get rowHeight() {
    return MOBILE.matches ? 56 : 36;
  }

  /** Show the columns that this browser remembers. */
  setColumns() {
    this.columns = shownColumns();
    fill(this.head, this.columns.map((column, at) => makeHeadCell(column, at, (sort) => this.sortBy(sort))));
    this.grid.setAttribute("aria-colcount", String(this.columns.length));
    this.grid.style.setProperty("--columns", this.columns.map(({ width }) => width).join(" "));
    this.focused.cell = Math.min(this.focused.cell, this.columns.length - 1);
    this.dropRows();
  }

  dropRows() {
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
  }

  sortBy(sort) {
    const { query } = this.samples;
    const order = query.sort === sort && query.order === "asc" ? "desc" : "asc";
    this.dispatchEvent(new CustomEvent("sort", { detail: { sort, order } }));
  }

  toTop() {
    this.scroller.scrollTop = 0;
    Object.assign(this, { focused: { row: 0, cell: this.focused.cell }, anchor: 0 });
    this.dropRows();
    this.draw();
  }

  // ---- drawing ----

  draw() {
    const { total, problem, query } = this.samples;
    const height = this.rowHeight;
    this.space.style.height = `${(total ?? 0) * height}px`;
    this.grid.setAttribute("aria-rowcount", String((total ?? 0) + 1));
    this.grid.setAttribute("aria-busy", String(total === null && !problem));
    [...this.head.children].forEach((cell, at) => {
      const { sort } = this.columns[at];
      if (sort) cell.setAttribute("aria-sort", sort !== query.sort ? "none" : query.order === "asc" ? "ascending" : "descending");
    });
    const first = Math.max(Math.floor(this.scroller.scrollTop / height) - SPARE_ROWS, 0);
    const stop = Math.min(first + Math.ceil(this.scroller.clientHeight / height) + 2 * SPARE_ROWS, total ?? 0);
    const wanted = new Set();
    for (let row = first; row < stop; row += 1) wanted.add(row);
    const keeps = this.element.contains(document.activeElement) && this.focused.row < (total ?? 0);
    if (keeps) wanted.add(this.focused.row);
    for (const [row, element] of this.rows) {
      if (!wanted.has(row)) {
        element.remove();
        this.rows.delete(row);
      }
    }
    for (const row of wanted) this.drawRow(row);
    this.waves.want([...wanted].map((row) => this.samples.at(row)?.id).filter(Boolean));
    this.wish(first, stop);
    this.dispatchEvent(new Event("drawn"));
  }

  /** Ask for pages only where scrolling comes to rest: what flies by is not loaded. */
  wish(first, stop) {
    clearTimeout(this.wishing);
    if (this.samples.total !== null) this.wishing = setTimeout(() => this.samples.want(first, stop), 60);
  }

  drawRow(row) {
    const sample = this.samples.at(row);
    const selected = sample ? this.selection.has(sample.id) : false;
    const state = `${sample?.id ?? "none"} ${selected} ${sample && stateOf(sample)} ${this.rowHeight}`;
    let element = this.rows.get(row);
    if (element?.dataset.state === state) {
      this.placeFocus(element, row);
      return;
    }
    const made = sample ? makeRow(row, sample, selected, this.columns, pointerListeners(this, row, sample)) : makeSkeleton(row, this.columns);
    made.dataset.state = state;
    made.style.transform = `translateY(${row * this.rowHeight}px)`;
    const hadFocus = element?.contains(document.activeElement);
    if (element) element.replaceWith(made);
    else this.space.append(made);
    this.rows.set(row, made);
    this.placeFocus(made, row);
    if (hadFocus) made.children[this.focused.cell]?.focus({ preventScroll: true });
    if (sample) this.paintWave(sample.id, made);
  }

  paintWave(id, element = null) {
    const row = element ?? [...this.rows.values()].find((each) => each.dataset.state?.startsWith(`${id} `));
    const canvas = row?.querySelector("canvas");
    if (!canvas) return;
    this.waves.paint(canvas, id);
    const length = row.querySelector(".c-seconds"); // of what was never exported, the records do not know it
    if (length && !length.textContent) length.textContent = duration(this.waves.secondsOf(id));
  }

  placeFocus(element, row) {
    const isHere = row === this.focused.row;
    element.classList.toggle("focused", isHere);
    [...element.children].forEach((cell, at) => cell.setAttribute("tabindex", isHere && at === this.focused.cell ? "0" : "-1"));
  }

  // ---- moving ----

  /** Give the focus to a row; `audition` says whether it shall be heard. */
  focusRow(row, { cell = this.focused.cell, audition = false } = {}) {
    const { total } = this.samples;
    if (!total) return;
    const before = this.focused.row;
    this.focused = { row: Math.min(Math.max(row, 0), total - 1), cell };
    this.reveal(this.focused.row);
    this.draw();
    const old = this.rows.get(before);
    if (old) this.placeFocus(old, before);
    const element = this.rows.get(this.focused.row);
    element?.children[cell]?.focus({ preventScroll: true });
    const sample = this.samples.at(this.focused.row);
    this.dispatchEvent(new CustomEvent("focusrow", { detail: { sample, row: this.focused.row, audition } }));
  }

  reveal(row) {
    const top = row * this.rowHeight;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) this.scroller.scrollTop = top + this.rowHeight - clientHeight;
  }

  get sample() {
    return this.samples.at(this.focused.row);
  }

  async extendTo(row) {
    const [first, last] = [Math.min(this.anchor, row), Math.max(this.anchor, row)];
    const ids = await this.samples.idsBetween(first, last);
    this.selection.set(ids, true);
    announce(`${count(this.selection.size, "sample")} selected`);
  }

  pick(row, sample) {
    this.anchor = row;
    this.selection.toggle(sample.id);
    announce(`${sample.title} ${this.selection.has(sample.id) ? "selected" : "not selected"}, ${integer(this.selection.size)} in all`);
  }
}
