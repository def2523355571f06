// The export dialog: what to write, what the plan is, how far it is, and what came of it.

import { get, post } from "./api.js";
import { closedSince, count, debounce, fill, h, integer, megabytes, problemNote, remembered } from "./dom.js";
import { drawResult, drawRunning, readLosses } from "./progress.js";

/** Each layout with its name and an example of a path. */
export const LAYOUTS = [
  ["flat", "One folder", "sick_beat.wav"],
  ["genre", "By genre", "hip_hop/sick_beat.wav"],
  ["bpm", "By tempo", "90-110/sick_beat.wav"],
  ["folder", "As in my folders", "drums/808/sick_beat.wav"],
  ["kit", "By kit", "night_bus/bank_A/pad_01_kick.wav"],
];
export const FORMATS = [["wav", "WAV"], ["aiff", "AIFF"]];
/** Settings of the sound with their choices; the first one is the setting in force. */
const SOUND = [
  ["guard", "What is too loud", [["none", "stays: it clips"], ["file", "is turned down, each file alone"], ["folder", "is turned down, a folder or kit alike"]]],
  ["normalize_dbfs", "Peak", [["off", "stays"], [-1, "at −1 dB"], [-3, "at −3 dB"], [-6, "at −6 dB"]]],
  ["trim_dbfs", "Silence at start and end", [["off", "stays"], [-60, "is cut below −60 dB"], [-80, "is cut below −80 dB"]]],
  ["pad_to_ms", "Sounds under 100 ms", [[0, "are refused, as the device does"], [100, "get silence, up to 100 ms"]]],
  ["mono", "Stereo", [["keep", "stays"], ["identical", "becomes mono if both sides are the same"], ["all", "becomes mono"]]],
  ["seamless", "Loops", [[false, "are resampled as any sound"], [true, "are fitted to their beats, without a click"]]],
];
const DEFAULTS = { organize_by: "flat", format: "wav", include_metadata: true, sanitize_filenames: true, names: "full" };

export class Exporting {
  constructor(activity) {
    Object.assign(this, { activity, shown: "", plan: debounce(250, () => this.askPlan()) });
    this.dialog = h("dialog", { class: "export", "aria-labelledby": "export-title", onclose: () => this.leave() });
    activity.addEventListener("change", () => this.shown && this.dialog.open && this.drawJob());
  }

  leave() {
    this.shown = "";
    this.strip = null;
    fill(this.dialog);
  }

  fill(title, ...children) {
    const close = h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => this.dialog.close() }, "×");
    fill(this.dialog, h("header", {}, h("h2", { id: "export-title" }, title), close), ...children);
    if (!this.dialog.open) this.dialog.showModal();
  }

  // ---- what to write ----

  /** Ask how to export: `request` says which samples, as the API takes it, `number` how many they are; `sound` is chosen already. */
  async open(request, number, { name = "", kit = null, sound = {} } = {}) {
    Object.assign(this, { request, number, kit });
    const preferred = await get("/preferences").catch(() => ({}));
    const known = { ...DEFAULTS, ...remembered.get("export", {}) };
    for (const key of Object.keys(DEFAULTS)) if (preferred[key] !== null && preferred[key] !== undefined) known[key] = preferred[key];
    this.config = known;
    this.sound = { ...sound };
    this.drawForm(name || count(number, "sample"), preferred.output_base_path ?? "");
    this.plan();
  }

  /** Ask how to export the open kit. */
  openKit(kit) {
    return this.open({}, kit.pads.size, { name: kit.kit.name, kit, sound: kit.sound });
  }

  drawForm(name, folder) {
    const { config, sound } = this;
    const choose = (key, value) => {
      config[key] = value;
      remembered.set("export", Object.fromEntries(Object.keys(DEFAULTS).map((each) => [each, config[each]])));
      this.plan();
    };
    const radios = (key, legend, choices) => h("fieldset", { class: `radios r-${key}` }, h("legend", {}, legend), choices.map(([value, label, path]) =>
      h("label", {}, h("input", { type: "radio", name: key, value, checked: config[key] === value, onchange: () => choose(key, value) }), h("span", {}, label, path && h("small", { class: "path" }, path)))));
    const check = (key, label, on = true, off = false) => h("label", { class: "choice" }, h("input", { type: "checkbox", checked: config[key] === on, onchange: (event) => choose(key, event.target.checked ? on : off) }), h("span", { class: "value" }, label));
    const select = ([key, label, choices]) => h("label", { class: "field" }, h("span", {}, label), h("select", { onchange: (event) => { this.chooseSound(key, event.target.value); } },
      h("option", { value: "" }, "as in the settings"), choices.map(([value, text]) => h("option", { value: JSON.stringify(value), selected: sound[key] === value }, text))));
    const output = h("input", { type: "text", placeholder: folder || "as in the settings", onchange: () => { config.output_base_path = output.value.trim() || undefined; this.plan(); } });
    this.output = output;
    this.earlier = h("p", { class: "quiet", role: "status" });
    this.strip = h("p", { class: "strip", role: "status" }, "Planning…");
    this.fill(
      `Export ${name}`,
      h("form", { onsubmit: (event) => { event.preventDefault(); this.start(); } },
        !this.kit && radios("organize_by", "Folders", LAYOUTS),
        radios("format", "Format", FORMATS),
        h("fieldset", {}, h("legend", {}, "Names and texts"),
          check("include_metadata", "A text file with the metadata beside each sample"),
          check("sanitize_filenames", "Only letters, digits, _ and - in names"),
          check("names", "Names for the device's screen: tempo and key in front, 23 characters", "screen", "full")),
        h("details", { open: Object.keys(sound).length > 0 }, h("summary", {}, "Sound"),
          this.kit && Object.keys(sound).length > 0 && h("p", { class: "quiet" }, "As you chose among the remarks of the kit. This browser keeps it for the kit; its file cannot hold it."),
          SOUND.map(select)),
        h("details", {}, h("summary", {}, "Output folder"), h("label", { class: "field" }, h("span", {}, "Folder"), output)),
        this.earlier,
        this.strip,
        h("footer", {}, h("button", { type: "button", onclick: () => this.dialog.close() }, "Cancel"), h("button", { type: "submit", class: "primary", autofocus: true }, "Export"))),
    );
    this.dialog.querySelector("[type=submit]").focus();
  }

  chooseSound(key, text) {
    if (text === "") delete this.sound[key];
    else this.sound[key] = JSON.parse(text);
    this.plan();
  }

  get wish() {
    if (this.kit) return { ...this.config, organize_by: "kit", sound: this.sound };
    return { ...this.request, config: this.config, sound: this.sound };
  }

  async askPlan() {
    const { strip } = this;
    if (!strip) return;
    try {
      const plan = await post(this.kit ? `${this.kit.path}/plan` : "/exports/plan", this.wish);
      if (strip !== this.strip) return;
      const parts = [[plan.convert, "new"], [plan.unchanged, "unchanged"], [plan.rename, "under another name only"], [plan.fail, "will fail"]].filter(([number]) => number > 0);
      fill(strip,
        `${parts.map(([number, what]) => `${integer(number)} ${what}`).join(", ") || "Nothing"}. ${plan.bytes_needed ? `About ${megabytes(plan.bytes_needed)} of ` : ""}${megabytes(plan.bytes_free)} free, in `,
        h("span", { class: "path" }, plan.output_base_path), ".",
        plan.reasons.slice(0, 4).map(({ what, samples }) => h("span", { class: "bad reason" }, `${integer(samples)}: ${what}`)));
      strip.classList.toggle("bad", plan.bytes_needed > plan.bytes_free);
      this.drawEarlier(plan);
    } catch (problem) {
      if (strip === this.strip) strip.textContent = `${problem.message}. ${problem.fix ?? ""}`;
    }
  }

  /** Say where earlier exports of these samples went, if that is another folder, and how this one can go there. */
  drawEarlier({ earlier_base_path: folder, earlier_is_allowed: isAllowed }) {
    const use = () => {
      this.output.closest("details").open = true;
      this.output.value = this.config.output_base_path = folder;
      this.output.focus();
      this.plan();
    };
    fill(this.earlier, folder && ["Earlier exports of these went to ", h("span", { class: "path" }, folder), isAllowed
      ? [". ", h("button", { type: "button", class: "link", onclick: use }, "Export there")]
      : [", where this page may not write. To export there, start it so: ", h("code", {}, `SP404_OUTPUT_BASE_PATH='${folder.replaceAll("'", "'\\''")}' ${this.activity.command}`)]]);
  }

  // ---- while it runs, and what came of it ----

  start() {
    return this.send(this.kit ? `${this.kit.path}/export` : "/samples/export-batch", this.wish);
  }

  /** Export again what failed in an export: all of it, or what an order says, with its settings. */
  retry(id, order) {
    return this.send(`/exports/${id}/retry`, order);
  }

  /** Put what an export wrote on a card. */
  put(id, card, initialize = false) {
    return this.send(`/cards/${card}/put`, { export_id: id, initialize });
  }

  /** Remove from a card what was shown. */
  prune(card, order) {
    return this.send(`/cards/${card}/prune`, order);
  }

  async send(path, body) {
    const isClosed = closedSince(this.dialog);
    try {
      const job = await post(path, body, { Prefer: "respond-async" });
      if (!isClosed()) this.show(job.id);
    } catch (problem) {
      this.fill("Not started", problemNote(problem, () => this.send(path, body)));
    }
  }

  show(id) {
    Object.assign(this, { shown: id, strip: null });
    if (!this.dialog.open) this.drawBeginning(); // also for a job that has ended by now
    this.activity.poll.now();
    this.drawJob();
  }

  drawJob() {
    const job = this.activity.jobs.find(({ id }) => id === this.shown);
    if (job && (job.state === "queued" || job.state === "running")) drawRunning(this, job, this.activity.lock);
    else if (job) this.drawEnd(job);
    else this.drawBeginning();
  }

  drawBeginning() {
    this.fill("One moment", h("p", { role: "status" }, "It begins…"));
  }

  async drawEnd(job) {
    this.shown = "";
    const isClosed = closedSince(this.dialog);
    try {
      const [work, cards] = await Promise.all([get(`/jobs/${job.id}`), get("/cards").catch(() => [])]);
      const losses = await readLosses(work);
      if (!isClosed()) drawResult(this, work, losses, cards.filter((card) => card.has_import));
    } catch (problem) {
      if (!isClosed()) this.fill("Lost sight of it", problemNote(problem, () => this.drawEnd(job)));
    }
  }
}
