// The kit that is open: its pads, what deserves a look in it, and changes of it, each of which can be undone.

import { get, post, Problem, send } from "./api.js";
import { announce, count, oneAtATime, remembered } from "./dom.js";
import { MOST_PADS } from "./samples.js";

export const BANKS = [..."ABCDEFGHIJ"];
export const PADS = Array.from({ length: 16 }, (_, at) => at + 1);
const PLACES = BANKS.flatMap((bank) => PADS.map((pad) => `${bank}${pad}`));
const MOST_UNDONE = 50;
const LOOK_MS = 2000;

/** Whether the page can change a kit, of a list or alone. */
const canEdit = (kit) => Boolean(kit?.is_file && !kit.read_only && !kit.problem);

export const listKits = async () => (await get("/kits", { page_size: 500 })).items;

export const listEditable = async () => (await listKits()).filter(canEdit);

/** Events: "change", "conflict" ({problem, orders, words}) where another page or an editor changed the kit meanwhile, "settled" when that is over. */
export class OpenKit extends EventTarget {
  constructor(activity) {
    super();
    Object.assign(this, { bank: remembered.get("bank", "A"), inTurn: oneAtATime() });
    this.clear();
    activity.addEventListener("ended", ({ detail }) => detail.kind === "export" && this.kit && this.settle() && this.loadFindings());
    setInterval(() => this.look(), LOOK_MS);
  }

  clear() {
    Object.assign(this, { kit: null, pads: new Map(), findings: [], unheard: 0, results: new Map(), sound: {}, undone: [], done: [] });
  }

  get isEditable() {
    return canEdit(this.kit);
  }

  get path() {
    return `/kits/${encodeURIComponent(this.kit.id)}`;
  }

  /** What is on a pad such as "A1"; undefined where it is empty. */
  at(place) {
    return this.pads.get(place);
  }

  findingsAt(place) {
    return this.findings.filter(({ bank, pad }) => `${bank}${pad}` === place);
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Call `draw` now and at every change, until `element` is taken out of the page; then `end`. */
  watch(element, draw, end = () => {}) {
    let wasShown = false;
    const changed = () => {
      wasShown ||= element.isConnected;
      if (element.isConnected || !wasShown) return draw();
      this.removeEventListener("change", changed);
      return end();
    };
    this.addEventListener("change", changed);
    draw();
  }

  showBank(bank) {
    this.bank = bank;
    remembered.set("bank", bank);
    this.changed();
  }

  // ---- opening ----

  /** Open a kit, after what is under way in the one before; one that is open already is kept, with what can be undone. */
  async open(id) {
    await this.inTurn(async () => {
      if (String(this.kit?.id) === String(id)) return this.look();
      this.becomes(await get(`/kits/${encodeURIComponent(id)}`));
      return this.loadFindings();
    });
  }

  /** Make a kit and open it. */
  async create(name) {
    await this.inTurn(async () => this.becomes(await post("/kits", { name })));
    this.changed();
  }

  becomes(kit) {
    this.clear();
    this.take(kit);
    this.sound = remembered.get("kit-sound", {})[kit.id] ?? {};
    remembered.set("kit", kit.id);
  }

  /** Open a kit to put samples on; a new one where there is none. */
  async ensure() {
    if (this.kit) return;
    await this.openLast();
    if (!this.isEditable) await this.ensureNew();
  }

  /** Open the kit of last time, or else the first one that can be edited, if there is one. */
  async openLast() {
    if (this.kit) return;
    const last = remembered.get("kit", null);
    if (last !== null) {
      try {
        await this.open(last);
      } catch (problem) {
        if (problem.status !== 404) throw problem;
      }
    }
    if (this.isEditable) return;
    const [first] = await listEditable();
    if (first) await this.open(first.id);
  }

  /** Make a kit whose name is free, and open it. */
  async ensureNew() {
    for (let number = 1; number < 1000; number += 1) {
      try {
        return await this.create(number === 1 ? "New kit" : `New kit ${number}`);
      } catch (problem) {
        if (problem.status !== 409) throw problem;
      }
    }
    return null;
  }

  take(kit) {
    this.kit = kit;
    this.pads = new Map(kit.pads.filter(({ bank }) => bank).map((pad) => [`${pad.bank}${pad.pad}`, pad]));
  }

  takeLint({ findings, unheard, results }) {
    Object.assign(this, { findings, unheard, results: new Map(results.map((each) => [`${each.bank}${each.pad}`, each])) });
  }

  /** Keep settings of the sound for exports of this kit, in this browser: its file cannot hold them. */
  keepSound(sound) {
    this.sound = sound;
    const { [this.kit.id]: _, ...others } = remembered.get("kit-sound", {});
    remembered.set("kit-sound", Object.keys(sound).length ? { ...others, [this.kit.id]: sound } : others);
    this.changed();
  }

  /** What others changed meanwhile needs no answer any more. */
  settle() {
    return this.dispatchEvent(new Event("settled"));
  }

  async loadFindings() {
    const { kit } = this;
    this.changed();
    const lint = await get(`${this.path}/lint`).catch(() => null);
    if (lint && kit === this.kit) this.takeLint(lint);
    this.changed();
  }

  /** See whether an editor or another page changed the file. */
  async look() {
    const { kit } = this;
    if (!kit?.is_file || document.hidden || this.isBusy) return;
    try {
      const response = await send("GET", this.path, { headers: kit.etag ? { "If-None-Match": kit.etag } : {} });
      if (response.status === 304 || kit !== this.kit || this.isBusy) return;
      this.takeTheirs(await response.json());
      announce("The kit was changed elsewhere");
    } catch (problem) {
      if (kit !== this.kit) return;
      if (problem.status === 422 && !this.trouble) this.say(`${problem.message}. ${problem.fix}`); // an editor left it so
      if (problem.status !== 404) return;
      this.clear();
      this.changed();
      announce("The kit was removed elsewhere");
    }
  }

  /** Show a kit as another one left it. What was done here before cannot be undone any more. */
  takeTheirs(kit) {
    Object.assign(this, { undone: [], done: [], trouble: "" });
    this.take(kit);
    this.loadFindings();
  }

  // ---- changes ----

  /** Do orders, one list after the other; true when they were done. `words` is said to those who do not see it. */
  change(orders, words = "") {
    return this.inTurn(() => this.carryOut(orders, words, [this.done, this.undone]));
  }

  async carryOut(orders, words, [kept, cleared]) {
    if (!this.kit || !orders.length) return false;
    this.isBusy = true;
    try {
      const response = await send("PATCH", `${this.path}/pads`, { body: { operations: orders }, headers: { "If-Match": this.kit.etag } });
      const { kit, lint, inverse } = await response.json();
      this.take(kit);
      this.takeLint(lint);
      this.trouble = "";
      this.settle();
      kept.push(inverse);
      kept.splice(0, kept.length - MOST_UNDONE);
      cleared?.splice(0);
      if (words) announce(words);
      this.changed();
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 412) this.dispatchEvent(new CustomEvent("conflict", { detail: { problem, orders, words } }));
      else this.say(`${problem.message}. ${problem.fix}`);
      return false;
    } finally {
      this.isBusy = false;
    }
  }

  /** Say what did not go, on the page and to those who do not see it. */
  say(text) {
    this.trouble = text;
    announce(text);
    this.changed();
  }

  undo() {
    return this.step(this.done, this.undone, "Undone");
  }

  redo() {
    return this.step(this.undone, this.done, "Done again");
  }

  step(from, to, words) {
    return this.inTurn(async () => {
      const orders = from.pop();
      if (!orders) announce(`Nothing to ${words === "Undone" ? "undo" : "do again"}`);
      else if (!(await this.carryOut(orders, words, [to]))) from.push(orders);
    });
  }

  /** The pads that several samples come to: this one, and the next free ones. */
  placesFrom(place, number) {
    const later = PLACES.slice(PLACES.indexOf(place) + 1).filter((each) => !this.pads.has(each));
    return [place, ...later].slice(0, number);
  }

  /** Put samples on a pad and the next free ones. */
  put(ids, place) {
    const places = this.placesFrom(place, ids.length);
    const left = ids.length - places.length;
    const words = left ? `${count(left, "sample")} found no free pad behind ${place}` : ids.length > 1 ? `${count(ids.length, "sample")} on ${places[0]} to ${places.at(-1)}` : `On ${place}`;
    return this.change(places.map((pad, at) => ({ op: "put", pad, sample_id: ids[at] })), words).then((isDone) => isDone && left && this.say(words));
  }

  /** What a pad that is brought to another one does there: by what is held, and what is there. */
  effect(to, { shiftKey, altKey }) {
    return altKey ? "copy" : shiftKey || !this.pads.has(to) ? "move" : "swap";
  }

  bring(pad, to, held) {
    const op = this.effect(to, held);
    const words = { copy: `${pad} copied to ${to}`, move: `${pad} moved to ${to}`, swap: `${pad} and ${to} exchanged` }[op];
    return pad === to ? Promise.resolve(false) : this.change([{ op, pad, to }], words);
  }

  clearPad(pad) {
    return this.pads.has(pad) ? this.change([{ op: "clear", pad }], `${pad} is empty`) : Promise.resolve(false);
  }

  fill(ids, bank = this.bank) {
    return this.change([{ op: "fill", bank, sample_ids: ids.slice(0, MOST_PADS) }], `${count(Math.min(ids.length, MOST_PADS), "sample")} laid out from bank ${bank} on`);
  }
}
