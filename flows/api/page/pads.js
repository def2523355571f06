// The pads of the open kit as they lie on the device: ten banks of four by four, by mouse, keys and fingers.

import { announce, h, refill, tempo, whenReleased } from "./dom.js";
import { dropTarget, padSource, targetsOf } from "./drag.js";
import { BANKS, PADS } from "./kit.js";
import { padKey, padOfCode } from "./moves.js";

const COLUMNS = 4;
const STEPS = { ArrowUp: -COLUMNS, ArrowDown: COLUMNS, ArrowLeft: -1, ArrowRight: 1 };

/** Events: "open" (a pad), "choose" (a place), where the board was made to choose one. */
export class Board extends EventTarget {
  /** `given`: the open kit, the player, the waves, and `choosing` where a click does not play, but chooses. */
  constructor({ kit, player, waves, choosing = false }) {
    super();
    Object.assign(this, { kit, player, waves, choosing, focused: 1, picked: "", isPlaying: false });
    this.tabs = h("div", { class: "banks", role: "group", "aria-label": "Banks" });
    this.grid = h("div", { class: "board", role: "grid", "aria-label": "Pads", onkeydown: (event) => this.onKey(event), onfocusout: () => this.endsPlaying() });
    this.cells = PADS.map(() => h("div", { role: "gridcell" }));
    this.grid.append(...[0, 1, 2, 3].map((row) => h("div", { role: "row", class: "board-row" }, this.cells.slice(row * COLUMNS, row * COLUMNS + COLUMNS))));
    this.hint = h("p", { class: "hint quiet", role: "status" });
    this.element = h("div", { class: "board-box" }, this.tabs, this.grid, this.hint);
    const paint = ({ detail: id }) => this.paint(id);
    waves.addEventListener("drawn", paint);
    new ResizeObserver(() => this.paint()).observe(this.grid);
    kit.watch(this.element, () => this.draw(), () => {
      waves.removeEventListener("drawn", paint);
      waves.want([], this);
    });
  }

  place(pad = this.focused) {
    return `${this.kit.bank}${pad}`;
  }

  // ---- drawing ----

  draw() {
    const { kit } = this;
    const padsOf = (bank) => PADS.filter((pad) => kit.at(`${bank}${pad}`)).length;
    refill(this.tabs, BANKS.map((bank) => h("button", { type: "button", class: "bank", "aria-pressed": String(bank === kit.bank), "aria-label": `Bank ${bank}, ${padsOf(bank)} of 16`, onclick: () => this.showBank(bank), ...dropTarget.tab(this, bank) }, bank, h("small", {}, padsOf(bank) || ""))));
    for (const pad of PADS) this.drawPad(pad);
    this.grid.setAttribute("aria-readonly", String(!kit.isEditable));
    this.waves.want([...kit.pads].filter(([place]) => place.startsWith(kit.bank)).map(([, { sample_id: id }]) => id).filter(Boolean), this);
    this.paint();
    this.dispatchEvent(new Event("drawn"));
  }

  /** Draw a pad anew where something of it changed. */
  drawPad(pad) {
    const old = this.cells[pad - 1];
    if (old.dataset.state === this.stateOf(pad)) return;
    whenReleased(old, () => {
      const hadFocus = old === document.activeElement;
      const made = this.cell(pad);
      made.dataset.state = this.stateOf(pad);
      old.replaceWith(made);
      this.cells[pad - 1] = made;
      if (hadFocus) made.focus({ preventScroll: true });
    });
  }

  stateOf(pad) {
    const { kit } = this;
    const place = this.place(pad);
    return JSON.stringify([place, kit.at(place), kit.findingsAt(place), kit.results.get(place)?.success, place === this.picked, kit.isEditable]);
  }

  cell(pad) {
    const { kit } = this;
    const place = this.place(pad);
    const found = kit.at(place);
    const remarks = kit.findingsAt(place);
    const result = kit.results.get(place);
    const marks = [found ? found.title : "empty", found?.bpm && `${tempo(found.bpm)} BPM`, ...remarks.map(({ text }) => text), result && (result.success ? "exported" : "not exported"), place === this.picked && "picked up"];
    return h("div", {
      role: "gridcell", class: `pad${found ? "" : " free"}${remarks.length ? " remarked" : ""}${place === this.picked ? " picked" : ""}`,
      tabindex: pad === this.focused ? "0" : "-1", "aria-label": `${place}: ${marks.filter(Boolean).join(", ")}`, "aria-colindex": String(((pad - 1) % COLUMNS) + 1),
      data: { place }, onclick: (event) => this.click(pad, event), onfocus: () => this.focusOn(pad), ...dropTarget.pad(this, place), ...(found && kit.isEditable ? padSource(this, place) : {}),
    },
      h("span", { class: "pad-head", "aria-hidden": "true" }, h("b", {}, String(pad)), h("kbd", {}, padKey(pad)), remarks.length > 0 && h("span", { class: "remark", title: remarks.map(({ text }) => text).join("\n") }, "!"), result && h("span", { class: result.success ? "good" : "bad" }, result.success ? "✓" : "✗")),
      h("span", { class: "pad-title", "aria-hidden": "true" }, found?.title ?? ""),
      found && h("canvas", { class: "wave", "aria-hidden": "true" }),
      found?.bpm && h("span", { class: "pad-bpm", "aria-hidden": "true" }, `${tempo(found.bpm)}`));
  }

  cellOf(pad) {
    return this.cells[pad - 1];
  }

  paint(id = null) {
    for (const cell of this.grid.querySelectorAll(".pad:not(.free)")) {
      const sample = this.kit.at(cell.dataset.place)?.sample_id;
      if (sample && (id === null || id === sample)) this.waves.paint(cell.querySelector("canvas"), sample);
    }
  }

  /** Show where what is dragged would come to rest. */
  drawTargets(place, event) {
    const { places, words } = targetsOf(this, place, event);
    for (const cell of this.grid.querySelectorAll(".pad")) cell.classList.toggle("ghost", places.includes(cell.dataset.place));
    this.hint.textContent = words;
  }

  // ---- moving ----

  showBank(bank) {
    this.kit.showBank(bank);
    announce(`Bank ${bank}`);
  }

  /** Note which pad has the focus. */
  focusOn(pad) {
    this.focused = pad;
    for (const cell of this.grid.querySelectorAll(".pad")) cell.setAttribute("tabindex", cell.dataset.place === this.place() ? "0" : "-1");
    this.dispatchEvent(new Event("drawn"));
  }

  click(pad, event) {
    this.cellOf(pad).focus({ preventScroll: true });
    if (this.choosing) this.dispatchEvent(new CustomEvent("choose", { detail: this.place(pad) }));
    else if (this.picked) this.putDown(event);
    else this.listen(pad);
  }

  /** Play what is on a pad. In play mode sounds do not stop each other. */
  listen(pad = this.focused) {
    const found = this.kit.at(this.place(pad));
    if (!found?.sample_id) return;
    const sample = { id: found.sample_id, title: found.title };
    if (this.isPlaying) this.player.strike(sample);
    else this.player.play(sample);
    this.cellOf(pad).classList.add("struck");
    setTimeout(() => this.cellOf(pad).classList.remove("struck"), 120);
  }

  setPlaying(on) {
    this.isPlaying = on;
    this.grid.classList.toggle("playing", on);
    const samples = PADS.map((pad) => this.kit.at(this.place(pad))).filter((pad) => pad?.sample_id);
    if (on) this.player.preload(samples.map(({ sample_id: id, title }) => ({ id, title })));
    this.hint.textContent = on ? "Play mode: the pad keys sound. P or Esc ends it." : "";
    announce(on ? "Play mode" : "Play mode ended");
    this.dispatchEvent(new Event("drawn"));
  }

  endsPlaying() {
    setTimeout(() => this.isPlaying && !this.element.contains(document.activeElement) && this.setPlaying(false));
  }

  pickUp(pad = this.focused) {
    if (!this.kit.isEditable || !this.kit.at(this.place(pad))) return;
    this.picked = this.place(pad);
    this.draw();
    this.hint.textContent = `${this.picked} is picked up: go to another pad, and press m. With Shift it takes the place of what is there, with Alt it is copied.`;
    announce(this.hint.textContent);
  }

  putDown(held) {
    const { picked } = this;
    this.leave();
    this.kit.bring(picked, this.place(), held);
  }

  leave() {
    this.picked = "";
    this.hint.textContent = "";
    this.draw();
  }

  onKey(event) {
    const { key, code, altKey } = event;
    const isM = code === "KeyM" && !event.ctrlKey && !event.metaKey;
    const pad = padOfCode(code);
    if ((event.ctrlKey || event.metaKey)) {
      if (code !== "KeyZ") return;
      event.shiftKey ? this.kit.redo() : this.kit.undo();
    } else if (this.isPlaying && pad && !altKey) {
      if (!event.repeat) this.listen(pad);
    } else if (key in STEPS) {
      const next = this.focused + STEPS[key];
      const isSameRow = Math.floor((next - 1) / COLUMNS) === Math.floor((this.focused - 1) / COLUMNS);
      if (next >= 1 && next <= 16 && (Math.abs(STEPS[key]) > 1 || isSameRow)) this.cellOf(next).focus();
    } else if (key === "[" || key === "]") {
      const at = BANKS.indexOf(this.kit.bank) + (key === "[" ? -1 : 1);
      if (BANKS[at]) this.showBank(BANKS[at]);
    } else if (isM && this.picked) this.putDown(event);
    else if (isM) this.pickUp();
    else if (altKey) return;
    else if (key === "Escape" && this.picked) this.leave();
    else if (key === "Escape" && this.isPlaying) this.setPlaying(false);
    else if (key === " ") event.repeat || this.listen();
    else if (code === "KeyP") this.setPlaying(!this.isPlaying);
    else if (key === "Delete" || key === "Backspace") this.kit.isEditable && this.kit.clearPad(this.place());
    else if (key === "Enter" && this.choosing) this.dispatchEvent(new CustomEvent("choose", { detail: this.place() }));
    else if (key === "Enter" && this.picked) this.putDown(event);
    else if (key === "Enter") this.kit.at(this.place()) && this.dispatchEvent(new CustomEvent("open", { detail: this.kit.at(this.place()) }));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
