// The screen of the library: filters, the list of samples, and what to do with those that are selected.

import { count, fill, h, integer, lazily, problemNote, remembered } from "./dom.js";
import { chips, Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { given, readQuery } from "./samples.js";

/** Events: "export" ({request, number, name, sound}), "retry" ({export, order}), "scan", "kit" (show or hide the kit beside the list), "pads" (ask for a pad). */
export class Library extends EventTarget {
  /** `change` takes the filter and the order to show, by the address. */
  constructor({ samples, selection, waves, player, change }) {
    super();
    Object.assign(this, { samples, selection, waves, player, change });
    this.grid = new Grid(samples, selection, waves);
    this.hits = h("strong", { class: "hits" });
    this.chosen = h("span", { class: "chosen" });
    this.exportButton = h("button", { type: "button", class: "primary", onclick: () => this.exportSelected() });
    this.allButton = h("button", { type: "button", class: "link", onclick: () => selection.all(samples.query.filter, samples.total) });
    this.clearButton = h("button", { type: "button", class: "link", onclick: () => selection.clear() }, "Clear selection");
    this.padsButton = h("button", { type: "button", onclick: () => this.dispatchEvent(new Event("pads")) }, "To pads…");
    this.kitButton = h("button", { type: "button", class: "kit-button", "aria-pressed": "false", onclick: () => this.dispatchEvent(new Event("kit")) }, "Kit");
    this.filterButton = h("button", { type: "button", class: "filter-button", "aria-expanded": "false", onclick: () => this.toggleFilters() }, "Filters");
    this.element = h("div", { class: "library" },
      h("div", { class: "filter-panel" }, new Filters(samples, change).element,
        h("button", { type: "button", class: "primary filter-button", onclick: () => this.toggleFilters() }, "Show the samples")),
      h("section", { class: "samples", "aria-labelledby": "samples-title" },
        h("h1", { id: "samples-title", class: "visually-hidden" }, "Samples"),
        chips(samples, change),
        h("div", { class: "toolbar" }, this.filterButton, this.hits, this.chosen, this.allButton, this.clearButton, h("span", { class: "spring" }), this.padsButton, this.kitButton, this.exportButton),
        this.grid.element));
    for (const name of ["change", "reset", "failed"]) samples.addEventListener(name, () => this.draw());
    selection.addEventListener("change", () => this.draw());
    this.listen();
    this.draw();
  }

  listen() {
    const { grid, samples, player } = this;
    grid.addEventListener("sort", (event) => this.change(samples.query.filter, event.detail));
    grid.addEventListener("open", (event) => this.openDrawer(event.detail));
    grid.addEventListener("focusrow", ({ detail: { sample, row, audition } }) => {
      if (!sample) return;
      if (this.drawer && !this.drawer.element.hidden) this.drawer.open(sample, false);
      if (!audition || !remembered.get("autoplay", true)) return;
      player.play(sample);
      player.preload([row + 1, row + 2, row - 1].map((other) => samples.at(other)));
    });
  }

  async openDrawer(sample) {
    const { Drawer } = await lazily(() => import("./drawer.js"));
    if (!this.drawer) {
      this.drawer = new Drawer(this.waves);
      this.drawer.addEventListener("close", () => this.grid.focusRow(this.grid.focused.row));
      this.drawer.addEventListener("play", ({ detail }) => this.player.play(detail.sample, detail.kind));
      this.drawer.addEventListener("export", ({ detail: { sample, sound } }) => this.export({ sample_ids: [sample.id] }, 1, `“${sample.title}”`, sound));
      this.drawer.addEventListener("retry", ({ detail }) => this.dispatchEvent(new CustomEvent("retry", { detail })));
      this.element.append(this.drawer.element);
    }
    this.drawer.open(sample);
  }

  /** What goes to pads: what is selected, or else the sample that has the focus; null if there is none. */
  get taken() {
    const { selection, grid } = this;
    return selection.size ? selection.taken(null) : grid.sample ? selection.taken(grid.sample) : null;
  }

  /** Show a panel beside the list, or none. */
  showPanel(panel) {
    this.panel?.remove();
    this.panel = panel;
    if (panel) this.element.append(panel);
    this.kitButton.setAttribute("aria-pressed", String(Boolean(panel)));
  }

  /** Whether keys of the list act on what has the focus. */
  holds(element) {
    return this.grid.element.contains(element) || Boolean(this.drawer?.element.contains(element));
  }

  /** Export what is selected, or else the sample that has the focus. */
  exportSelected() {
    const { selection, grid } = this;
    if (selection.size) this.export(selection.request(), selection.size);
    else if (grid.sample) this.export({ sample_ids: [grid.sample.id] }, 1, `“${grid.sample.title}”`);
  }

  export(request, number, name = "", sound = {}) {
    this.dispatchEvent(new CustomEvent("export", { detail: { request, number, name, sound } }));
  }

  toggleFilters() {
    const isOpen = this.element.classList.toggle("with-filters");
    this.filterButton.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) this.filterButton.focus();
  }

  draw() {
    const { samples, selection, hits, chosen, exportButton, allButton, clearButton } = this;
    const { total, problem } = samples;
    hits.textContent = total === null ? "…" : count(total, "sample");
    chosen.textContent = selection.size ? `${integer(selection.size)} selected` : "";
    exportButton.disabled = selection.size === 0;
    exportButton.textContent = selection.size ? `Export ${integer(selection.size)}…` : "Export…";
    this.padsButton.disabled = selection.size === 0;
    clearButton.hidden = selection.size === 0;
    allButton.hidden = !total || selection.size === 0 || selection.size === total;
    allButton.textContent = `Select all ${integer(total ?? 0)}`;
    fill(this.grid.message, this.message(total, problem));
  }

  message(total, problem) {
    if (problem && total === null) return problemNote(problem, () => this.samples.load(1));
    if (total !== 0) return null;
    if (Object.keys(given(this.samples.query.filter)).length) {
      return h("p", {}, "No sample has all of that. ", h("button", { type: "button", class: "link", onclick: () => this.change(readQuery("").filter) }, "Clear the filters"));
    }
    const line = (text) => h("pre", {}, h("code", {}, text));
    return h("div", { class: "empty" },
      h("h2", {}, "No samples yet"),
      h("p", {}, "Choose the folder of your samples. Nothing in it is changed: the page listens to each file, and then they are all here, to hear and to export."),
      h("button", { type: "button", class: "primary", onclick: () => this.dispatchEvent(new Event("scan")) }, "Scan a folder…"),
      h("p", { class: "quiet" }, "Samples of a table that is exported at night are here after its first export."),
      h("p", { class: "quiet" }, "Or in a terminal:"),
      line("sp404 scan ~/Samples -o library.csv"), line("sp404 export library.csv"));
  }
}
