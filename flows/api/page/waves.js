// Small waveforms: asked for by the screenful, kept, and drawn on canvases.

import { get } from "./api.js";

const MOST_IDS = 50;
const MOST_KEPT = 4000;
const PAUSE_MS = 40;
const AGAIN_MS = 400;

/** Event: "drawn" with the id of a sample whose waveform has come. */
export class Waves extends EventTarget {
  constructor() {
    super();
    this.kept = new Map();
    this.wishes = new Map();
    this.isAsking = false;
  }

  /** What is wished for and not here yet. */
  get wished() {
    return [...new Set([...this.wishes.values()].flat())].filter((id) => !this.kept.has(id));
  }

  /** Say which samples `who` shows now. Those of before that are not here yet are no longer wished for. */
  want(ids, who = "list") {
    if (ids.length) this.wishes.set(who, ids);
    else this.wishes.delete(who);
    if (this.wished.length && !this.isAsking) {
      this.isAsking = true;
      setTimeout(() => this.ask(), PAUSE_MS);
    }
  }

  async ask() {
    const ids = this.wished.slice(0, MOST_IDS);
    let pause = PAUSE_MS;
    try {
      if (ids.length) {
        const { items, pending } = await get("/samples/peaks", { ids: ids.join(",") });
        ids.forEach((id, at) => {
          if (items[at] || !pending.includes(id)) this.keep(id, items[at]);
        });
        if (pending.length === ids.length) pause = AGAIN_MS;
      }
    } catch {
      pause = 10 * AGAIN_MS;
    }
    this.isAsking = this.wished.length > 0;
    if (this.isAsking) setTimeout(() => this.ask(), pause);
  }

  keep(id, peaks) {
    this.kept.set(id, peaks);
    for (const old of this.kept.keys()) {
      if (this.kept.size <= MOST_KEPT) break;
      this.kept.delete(old);
    }
    this.dispatchEvent(new CustomEvent("drawn", { detail: id }));
  }

  /** The length of a sample as far as its waveform is here; null else. */
  secondsOf(id) {
    return this.kept.get(id)?.seconds ?? null;
  }

  /** Forget what was drawn of a sample, after its file changed. */
  forget(id) {
    this.kept.delete(id);
  }

  /** Draw a sample's waveform as far as it is here; `done` is the part that was played, from 0 to 1. */
  paint(canvas, id, done = 0) {
    const found = this.kept.get(id);
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    context.scale(scale, scale);
    if (!found?.peaks.length) {
      context.fillStyle = style.getPropertyValue("--wave-none");
      context.fillRect(0, height / 2 - 0.5, width, 1);
      return;
    }
    const { peaks } = found;
    const bars = Math.max(Math.floor(width / 2), 1);
    for (let bar = 0; bar < bars; bar += 1) {
      const from = Math.floor((bar * peaks.length) / bars);
      const to = Math.max(Math.floor(((bar + 1) * peaks.length) / bars), from + 1);
      const peak = Math.max(...peaks.slice(from, to));
      const tall = Math.max(Math.min(peak, 1) * (height - 2), 1);
      const name = peak >= 1 ? "--wave-over" : bar / bars < done ? "--wave-done" : "--wave";
      context.fillStyle = style.getPropertyValue(name);
      context.fillRect(bar * 2, (height - tall) / 2, 1.4, tall);
    }
  }
}
