// One sample in full: how it sounds and measures, where it stands, and what to do about it.

import { get } from "./api.js";
import { duration, h, integer, level, megabytes, refill, secondsOf, tempo } from "./dom.js";
import { mendButton } from "./mends.js";

const DEVICE_NAME = 23;

/** Why there is no exported file to measure. */
function whyNone({ status, removed, places }) {
  if (removed) return "Its exported files were removed (by --prune, or as others took their names): the records have none any more.";
  if (places.length) return "Its files in the output folders were removed; a card has one still.";
  return status ? "The records have no exported file of it." : "Not exported yet.";
}

export class Drawer extends EventTarget {
  constructor(waves) {
    super();
    this.waves = waves;
    this.element = h("section", { class: "drawer", "aria-label": "Sample", hidden: true, onkeydown: (event) => { if (event.key === "Escape") { event.stopPropagation(); this.close(); } } });
    waves.addEventListener("drawn", (event) => event.detail === this.sample?.id && this.paint());
  }

  /** Show a sample; `takesFocus` is false while the list is moved through. */
  async open(sample, takesFocus = true) {
    this.sample = sample;
    this.element.hidden = false;
    this.draw(sample, null);
    if (takesFocus) this.element.querySelector("button")?.focus();
    return this.load(sample);
  }

  /** Show what is known of the open sample now, after the records changed. */
  refresh() {
    return this.sample && this.load(this.sample);
  }

  async load(sample) {
    try {
      const detail = await get(`/samples/${sample.id}`);
      if (this.sample?.id === sample.id) this.draw(detail, detail);
    } catch (problem) {
      if (this.sample?.id === sample.id) this.draw(sample, null, problem);
    }
  }

  close() {
    this.element.hidden = true;
    this.sample = null;
    this.dispatchEvent(new Event("close"));
  }

  paint() {
    const canvas = this.element.querySelector("canvas");
    if (canvas && this.sample) this.waves.paint(canvas, this.sample.id);
  }

  draw(sample, detail, problem = null) {
    const rows = (pairs) => h("dl", {}, pairs.filter(([, value]) => value !== null && value !== "" && value !== undefined).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    const section = (title, ...content) => h("section", {}, h("h3", {}, title), content);
    const channels = { 1: "mono", 2: "stereo" }[sample.source_channels] ?? (sample.source_channels ? `${sample.source_channels} channels` : "");
    const source = [sample.source_format?.toUpperCase(), sample.source_rate_hz && `${sample.source_rate_hz / 1000} kHz`, channels, sample.source_bytes && megabytes(sample.source_bytes)].filter(Boolean).join(", ");
    refill(
      this.element,
      h("header", {}, h("h2", {}, sample.title), h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => this.close() }, "×")),
      h("canvas", { class: "wave big", "aria-hidden": "true" }),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: () => this.dispatchEvent(new CustomEvent("play", { detail: { sample, kind: "original" } })) }, "▶ Original"),
        h("button", { type: "button", onclick: () => this.dispatchEvent(new CustomEvent("play", { detail: { sample, kind: "device" } })) }, "▶ Device"),
        h("button", { type: "button", class: "primary", onclick: () => this.export(sample) }, "Export…"),
      ),
      detail?.trouble && h("div", { class: "problem" }, h("p", {}, h("strong", {}, detail.trouble.error)), h("p", {}, detail.trouble.fix), this.mend(detail)),
      detail && !detail.source_is_there && h("p", { class: "warning" }, "Its source file is not there: deleted, moved, or on a drive that is not in."),
      problem && h("p", { class: "problem", role: "alert" }, problem.message, " ", problem.fix),
      section("Sample", rows([["Genre", sample.genre], ["BPM", tempo(sample.bpm)], ["Key", sample.musical_key], ["Tags", (sample.tags ?? "").replaceAll("|", ", ")], ["Length", duration(secondsOf(sample))], ["Source", source], ["File", h("span", { class: "path" }, sample.file_path)]])),
      detail && this.fidelity(detail, rows, section),
      detail && this.names(detail, section),
      detail?.kits.length > 0 && section("Kits", h("ul", {}, detail.kits.map(({ kit, bank, pad }) => h("li", {}, kit, bank && pad ? ` ${bank}${pad}` : "")))),
    );
    this.paint();
  }

  mend({ id, trouble }) {
    const retry = (order) => this.dispatchEvent(new CustomEvent("retry", { detail: { export: trouble.export_id, order } }));
    return trouble.mend && mendButton(trouble.mend, retry, { id });
  }

  export(sample, sound = {}) {
    this.dispatchEvent(new CustomEvent("export", { detail: { sample, sound } }));
  }

  fidelity(sample, rows, section) {
    const { fidelity } = sample;
    if (!fidelity) {
      const hint = sample.source_is_there && " “Device” plays what an export would write.";
      return section("As exported", h("p", { class: "quiet" }, whyNone(sample), hint));
    }
    const changes = fidelity.changes.length ? h("ul", {}, fidelity.changes.map((change) => h("li", {}, change))) : "none beside the conversion";
    return section(
      "As exported",
      fidelity.warning && h("p", { class: "warning" }, fidelity.warning),
      fidelity.warning && fidelity.clipped_samples > 0 && h("p", {}, h("button", { type: "button", onclick: () => this.export(sample, { guard: "file" }) }, "Turn it down and export again…")),
      rows([
        ["Bytes", fidelity.unaltered ? "the samples are those of the source" : "converted to 48 kHz, 16 bit"],
        ["Peak", level(fidelity.peak_dbfs)],
        ["True peak", level(fidelity.true_peak_dbfs)],
        ["Clipped", fidelity.clipped_samples ? integer(fidelity.clipped_samples) : "none"],
        ["RMS", level(fidelity.rms_dbfs)],
        ["Silence in front", fidelity.leading_silence_ms === null ? "" : `${fidelity.leading_silence_ms.toFixed(1)} ms`],
        ["Changes", changes],
      ]),
    );
  }

  names({ places }, section) {
    if (!places.length) return null;
    const name = (path) => path.split("/").at(-1).replace(/\.[a-z]+$/, "");
    return section(
      "Where it stands",
      h("ul", { class: "places" }, places.map((place) =>
        h("li", {},
          h("span", { class: "path" }, place.path),
          h("span", { class: "quiet" }, `${place.card_id ? " on a card" : ""}${place.stale ? ", older than the output folder" : ""}`),
          name(place.path).length > DEVICE_NAME && h("span", { class: "quiet" }, ` The device shows “${name(place.path).slice(0, DEVICE_NAME)}”`),
        ),
      )),
    );
  }
}
