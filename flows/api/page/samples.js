// The samples that the filters let through, page by page, and which of them are selected.

import { get } from "./api.js";

const PAGE_SIZE = 100;
const MOST_PAGES = 60;
const LARGEST_PAGE = 500;
const RETRY_MS = 2000;
/** The most samples that a kit has pads for. */
export const MOST_PADS = 160;
const LISTS = ["genre", "key"];
const SINGLE = ["text", "kind", "format", "status", "flag", "bpm_min", "bpm_max", "seconds_min", "seconds_max", "in_kit"];
const NO_FILTER = Object.freeze(Object.fromEntries([...LISTS.map((name) => [name, []]), ...SINGLE.map((name) => [name, ""])]));

/** Read a filter and an order from the query of an address. */
export function readQuery(text) {
  const parameters = new URLSearchParams(text);
  const filter = { ...NO_FILTER };
  for (const name of LISTS) filter[name] = parameters.getAll(name);
  for (const name of SINGLE) filter[name] = parameters.get(name) ?? "";
  return { filter, sort: parameters.get("sort") ?? "title", order: parameters.get("order") ?? "asc" };
}

/** The filters that say something, as the API takes them. */
export function given(filter) {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => (Array.isArray(value) ? value.length : value !== "")));
}

/** A list of which only pages that were looked at are here. Events: "change" when rows came, "reset", "failed". */
export class Samples extends EventTarget {
  constructor() {
    super();
    this.query = readQuery("");
    this.clear();
  }

  clear() {
    this.pages = new Map(); // page: its samples
    this.wishes = new Set(); // pages that are asked for
    this.total = null;
    this.revision = "";
    this.problem = null;
    this.asked?.abort();
    this.asked = new AbortController();
  }

  /** Show other samples, from the first on. */
  show(query) {
    this.query = query;
    this.clear();
    this.dispatchEvent(new Event("reset"));
    return this.load(1);
  }

  /** Ask again for what is shown, after the records changed. Until it comes, keys act on what was there. */
  refresh() {
    const shown = [...this.pages.keys()];
    for (const page of shown.splice(0, shown.length - 2)) this.pages.delete(page);
    return Promise.all((shown.length ? shown : [1]).map((page) => this.load(page)));
  }

  /** The sample of a row from 0 on; undefined while it is not here. */
  at(row) {
    return this.pages.get(Math.floor(row / PAGE_SIZE) + 1)?.[row % PAGE_SIZE];
  }

  /** Load what rows from `first` to before `stop` need. */
  want(first, stop) {
    const last = Math.min(stop, this.total ?? stop) - 1;
    for (let page = Math.floor(first / PAGE_SIZE) + 1; page <= Math.floor(last / PAGE_SIZE) + 1; page += 1) {
      if (!this.pages.has(page) && !this.wishes.has(page)) this.load(page);
    }
  }

  async load(page) {
    const { asked: { signal }, wishes } = this;
    wishes.add(page);
    try {
      const found = await this.ask(page, PAGE_SIZE, signal);
      if (signal.aborted) return;
      this.pages.delete(page);
      this.pages.set(page, found.items);
      for (const old of [...this.pages.keys()].slice(0, -MOST_PAGES)) this.pages.delete(old);
      Object.assign(this, { total: found.total, revision: found.revision, problem: null });
      wishes.delete(page);
      this.dispatchEvent(new Event("change"));
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      this.problem = error;
      if (this.total === null) wishes.delete(page); // a button beside the problem asks again
      else setTimeout(() => signal.aborted || this.load(page), RETRY_MS);
      this.dispatchEvent(new Event("failed"));
    }
  }

  ask(page, size, signal = undefined) {
    const { filter, sort, order } = this.query;
    return get("/samples", { ...given(filter), sort, order, page, page_size: size }, signal);
  }

  /** The ids of rows from `first` to `last`, also of those that were never shown. */
  async idsBetween(first, last) {
    const ids = [];
    for (let page = Math.floor(first / LARGEST_PAGE); page <= Math.floor(last / LARGEST_PAGE); page += 1) {
      const found = await this.ask(page + 1, LARGEST_PAGE);
      found.items.forEach((sample, at) => {
        const row = page * LARGEST_PAGE + at;
        if (row >= first && row <= last) ids.push(sample.id);
      });
    }
    return ids;
  }
}

/** The selected samples: by their ids, or all that a filter lets through but for some. Event: "change". */
export class Selection extends EventTarget {
  constructor() {
    super();
    this.reset();
  }

  reset() {
    this.ids = new Set();
    this.filter = null;
    this.total = 0;
  }

  get size() {
    return this.filter ? this.total - this.ids.size : this.ids.size;
  }

  has(id) {
    return this.filter ? !this.ids.has(id) : this.ids.has(id);
  }

  set(ids, selected) {
    for (const id of ids) {
      if (selected === !this.filter) this.ids.add(id);
      else this.ids.delete(id);
    }
    this.dispatchEvent(new Event("change"));
  }

  toggle(id) {
    this.set([id], !this.has(id));
  }

  /** Select all hits of a filter, also those that come to it later on. */
  all(filter, total) {
    this.reset();
    Object.assign(this, { filter: given(filter), total });
    this.dispatchEvent(new Event("change"));
  }

  clear() {
    if (!this.size && !this.filter) return;
    this.reset();
    this.dispatchEvent(new Event("change"));
  }

  /** What a sample that is taken takes with it: all that are selected, or itself alone; not more than a kit has pads. */
  taken(sample) {
    if (sample && !this.has(sample.id)) return { number: 1, ids: () => [sample.id] };
    const number = Math.min(this.size, MOST_PADS);
    const picked = [...this.ids];
    if (!this.filter) return { number, ids: () => picked.slice(0, number) };
    const { filter } = this;
    return {
      number,
      ids: async () => (await get("/samples", { ...filter, sort: "title", page_size: LARGEST_PAGE })).items.map(({ id }) => id).filter((id) => !picked.includes(id)).slice(0, number),
    };
  }

  /** What to export, as the API takes it. */
  request() {
    return this.filter ? { selection: { filter: this.filter, except: [...this.ids] } } : { sample_ids: [...this.ids] };
  }
}
