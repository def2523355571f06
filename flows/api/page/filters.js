// Filters of the list: counted values to choose from, chips of what is chosen, and the search.

import { get } from "./api.js";
import { count, debounce, fill, h, integer, refill, remembered } from "./dom.js";
import { given } from "./samples.js";

const SHOWN = 8;
const GROUPS = [
  { name: "genre", label: "Genre", many: true },
  { name: "key", label: "Key", many: true },
  { name: "kind", label: "Kind" },
  { name: "status", label: "Status" },
  { name: "format", label: "Format" },
];
/** Whether the last export wrote a sample or found it unchanged: it is exported, as rows say, too. */
const THERE = new Set(["exported", "unchanged"]);
const WORDS = { there: "exported", "": "none" };
const FLAGS = [["clipped", "Clipped"], ["silent", "Silent"], ["dc", "DC offset"], ["short", "Too short"]];
const LABELS = { bpm_min: "from BPM", bpm_max: "to BPM", seconds_min: "from s", seconds_max: "to s", in_kit: "in a kit", flag: "flag", text: "search" };

/** The search field; `change` takes the new filter. */
export function searchField(samples, change) {
  const history = remembered.get("searches", []);
  const options = h("datalist", { id: "searches" }, history.map((text) => h("option", { value: text })));
  const apply = debounce(150, () => change({ ...samples.query.filter, text: field.value.trim() }));
  const field = h("input", { type: "search", id: "search", placeholder: "Search: words, -without", "aria-label": "Search samples", list: "searches", autocomplete: "off", spellcheck: false, value: samples.query.filter.text, oninput: apply });
  field.addEventListener("change", () => {
    const text = field.value.trim();
    if (!text) return;
    const searches = [text, ...remembered.get("searches", []).filter((each) => each !== text)].slice(0, 12);
    remembered.set("searches", searches);
    fill(options, searches.map((each) => h("option", { value: each })));
  });
  samples.addEventListener("reset", () => {
    if (document.activeElement !== field) field.value = samples.query.filter.text;
  });
  return h("div", { class: "search", role: "search" }, field, options, h("kbd", {}, "/"));
}

/** The panel of counted values. */
export class Filters {
  constructor(samples, change) {
    Object.assign(this, { samples, change, open: new Set(), facets: null, revision: "" });
    const bound = (name, label) => h("input", { type: "number", min: "0", max: "1000", placeholder: label, "aria-label": label, onchange: ({ target }) => this.set({ [name]: target.value }) });
    this.bounds = { bpm_min: bound("bpm_min", "from"), bpm_max: bound("bpm_max", "to") };
    this.bars = h("div", { class: "histogram", "aria-hidden": "true" }); // can be clicked; who does not use a mouse has the two fields below it
    this.tempos = h("fieldset", {}, h("legend", {}, "BPM"), this.bars, h("div", { class: "range" }, this.bounds.bpm_min, "–", this.bounds.bpm_max));
    this.before = h("div", {});
    this.after = h("div", {});
    this.element = h("section", { class: "filters", "aria-label": "Filters" }, this.before, this.tempos, this.after);
    samples.addEventListener("reset", () => {
      this.revision = null;
      this.draw();
    });
    // Counted after the samples have come: both at once take twice as long on the server.
    samples.addEventListener("change", () => samples.revision !== this.revision && this.load());
    this.draw();
  }

  async load() {
    const { filter } = this.samples.query;
    this.revision = this.samples.revision;
    this.asked?.abort();
    this.asked = new AbortController();
    try {
      this.facets = await get("/samples/facets", given(filter), this.asked.signal);
      this.revision = this.facets.revision;
    } catch (error) {
      if (error.name !== "AbortError") this.revision = null; // The list says what is wrong; when it comes again, so do these.
      return;
    }
    this.draw();
  }

  set(values) {
    this.change({ ...this.samples.query.filter, ...values });
  }

  draw() {
    const { filter } = this.samples.query;
    this.element.hidden = !this.facets?.total && !Object.keys(given(filter)).length;
    refill(this.before, GROUPS.map((group) => this.group(group, filter)));
    this.drawTempos(filter);
    refill(
      this.after,
      this.checks("Levels", FLAGS.map(([value, label]) => ({ label, on: filter.flag === value, set: (on) => this.set({ flag: on ? value : "" }) }))),
      this.checks("Kits", [
        { label: "In a kit", on: filter.in_kit === "true", set: (on) => this.set({ in_kit: on ? "true" : "" }) },
        { label: "In no kit", on: filter.in_kit === "false", set: (on) => this.set({ in_kit: on ? "false" : "" }) },
      ]),
    );
  }

  group({ name, label, many }, filter) {
    const none = many ? "" : "none";
    const found = this.facets?.[name] ?? [];
    const chosen = many ? filter[name] : [filter[name]].filter((value) => value !== "");
    const counts = new Map();
    for (const { value, samples } of found) {
      const key = THERE.has(value) ? "there" : value ?? none;
      counts.set(key, (counts.get(key) ?? 0) + samples);
    }
    const values = [...new Set([...chosen, ...counts.keys()])];
    if (values.every((value) => value === none)) return null;
    const shown = this.open.has(name) ? values : values.slice(0, SHOWN);
    const more = values.length - shown.length;
    const pick = (value, on) => {
      const now = this.samples.query.filter[name]; // which another click may have changed since this was drawn
      if (!many) this.set({ [name]: on ? value : "" });
      else this.set({ [name]: on ? [...now, value] : now.filter((each) => each !== value) });
    };
    return this.checks(
      label,
      shown.map((value) => ({ label: WORDS[value] ?? value, count: counts.get(value), on: chosen.includes(value), set: (on) => pick(value, on) })),
      more > 0 && h("button", { type: "button", class: "more", onclick: () => { this.open.add(name); this.draw(); } }, `${integer(more)} more`),
    );
  }

  checks(label, choices, after = null) {
    return h(
      "fieldset",
      {},
      h("legend", {}, label),
      choices.map((choice) =>
        h("label", { class: "choice" },
          h("input", { type: "checkbox", checked: choice.on, onchange: (event) => choice.set(event.target.checked) }),
          h("span", { class: "value" }, choice.label),
          choice.count !== undefined && h("span", { class: "count" }, integer(choice.count)),
        ),
      ),
      after,
    );
  }

  /** Let through the tempi of one bar; of all from the bars chosen before up to this one, if `isMore`. */
  setTempo(from, isMore) {
    const { bpm_min: low, bpm_max: high } = this.samples.query.filter;
    const range = isMore && low !== "" ? [Math.min(Number(low), from), Math.max(Number(high || 0), from + 9.99)] : [from, from + 9.99];
    this.set({ bpm_min: String(range[0]), bpm_max: String(range[1]) });
  }

  /** Draw the bars, and put the bounds into the fields; one that is written in stays as it is. */
  drawTempos(filter) {
    const found = (this.facets?.bpm ?? []).filter(({ value }) => value !== null);
    this.tempos.hidden = !found.length && filter.bpm_min === "" && filter.bpm_max === "";
    const most = Math.max(...found.map(({ samples }) => samples), 1);
    const [low, high] = [Number(filter.bpm_min || 0), Number(filter.bpm_max || 1000)];
    fill(this.bars, found.map(({ value, samples }) => {
      const from = Number(value);
      const isInside = from >= low && from < high;
      const level = h("span", { css: { height: `${Math.max((samples / most) * 100, 4)}%` } });
      return h("span", { class: `bar${isInside ? " on" : ""}`, title: `${from} to ${from + 10} BPM: ${count(samples, "sample")}`, onclick: (event) => this.setTempo(from, event.shiftKey) }, level);
    }));
    for (const [name, field] of Object.entries(this.bounds)) if (field !== document.activeElement) field.value = filter[name];
  }
}

/** What is chosen, each with a button that takes it back. */
export function chips(samples, change) {
  const element = h("div", { class: "chips" });
  const draw = () => {
    const { filter } = samples.query;
    const found = [];
    for (const [name, value] of Object.entries(given(filter))) {
      for (const each of Array.isArray(value) ? value : [value]) {
        const text = LABELS[name] ? `${LABELS[name]}${name === "in_kit" ? (each === "true" ? "" : ": no") : ` ${each}`}` : ["", "none"].includes(each) ? `no ${name}` : WORDS[each] ?? each;
        const without = Array.isArray(value) ? value.filter((other) => other !== each) : "";
        found.push(h("button", { type: "button", class: "chip", "aria-label": `Remove filter ${text}`, onclick: () => change({ ...filter, [name]: without }) }, text, h("span", { "aria-hidden": "true" }, " ×")));
      }
    }
    const cleared = Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, Array.isArray(value) ? [] : ""]));
    fill(element, found, found.length > 0 && h("button", { type: "button", class: "link", onclick: () => change(cleared) }, "Clear"));
    element.hidden = !found.length;
  };
  samples.addEventListener("reset", draw);
  draw();
  return element;
}
