// Listening: one audio engine for the page. Short sounds are decoded ahead and start at once; long ones are streamed.

import { addressOf, send } from "./api.js";
import { duration, h, remembered } from "./dom.js";

const MOST_BUFFERS = 48;
const MOST_BYTES = 64e6;
const STREAMED_BYTES = 4e6;
const FADE_S = 0.002;

/** Events: "change" (what plays, or how far it is), "failed" (a Problem). */
export class Player extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { context: null, buffers: new Map(), sample: null, source: null, kind: "original", turn: 0 });
    this.volume = remembered.get("volume", 0.8);
  }

  get isPlaying() {
    return Boolean(this.source) || (this.stream && !this.stream.paused);
  }

  /** How much of the sound has been played, from 0 to 1. */
  get done() {
    if (this.stream && !this.stream.paused && this.stream.duration) return this.stream.currentTime / this.stream.duration;
    return this.source ? Math.min((this.context.currentTime - this.startedAt) / this.source.buffer.duration, 1) : 0;
  }

  start() {
    if (this.context) return;
    this.context = new AudioContext();
    this.gain = this.context.createGain();
    this.gain.gain.value = this.volume;
    this.gain.connect(this.context.destination);
  }

  setVolume(volume) {
    this.volume = volume;
    remembered.set("volume", volume);
    if (this.gain) this.gain.gain.setTargetAtTime(volume, this.context.currentTime, 0.01);
    if (this.stream) this.stream.volume = volume;
  }

  /** Play a sample from its start; whatever played before ends. */
  async play(sample, kind = this.kind) {
    this.start();
    this.context.resume();
    this.stop();
    const turn = (this.turn += 1);
    Object.assign(this, { sample, kind });
    this.dispatchEvent(new Event("change"));
    try {
      if (kind === "original" && (sample.source_bytes ?? 0) > STREAMED_BYTES && !this.buffers.has(`${sample.id} ${kind}`)) {
        await this.playStream(sample);
        return;
      }
      const buffer = await this.bufferOf(sample, kind);
      if (turn === this.turn) this.playBuffer(buffer);
    } catch (error) {
      if (turn !== this.turn) return;
      this.dispatchEvent(new CustomEvent("failed", { detail: error }));
    }
  }

  playBuffer(buffer) {
    const source = this.context.createBufferSource();
    const fade = this.context.createGain();
    source.buffer = buffer;
    fade.gain.setValueAtTime(0, this.context.currentTime);
    fade.gain.linearRampToValueAtTime(1, this.context.currentTime + FADE_S);
    source.connect(fade).connect(this.gain);
    source.onended = () => {
      if (this.source !== source) return;
      this.source = null;
      this.dispatchEvent(new Event("change"));
    };
    source.start();
    Object.assign(this, { source, fade, startedAt: this.context.currentTime });
    this.dispatchEvent(new Event("change"));
  }

  /** Play a sample over what sounds already: nothing is stopped. */
  async strike(sample) {
    this.start();
    this.context.resume();
    try {
      const source = this.context.createBufferSource();
      source.buffer = await this.bufferOf(sample, this.kind);
      source.connect(this.gain);
      source.start();
    } catch (error) {
      this.dispatchEvent(new CustomEvent("failed", { detail: error }));
    }
  }

  async playStream(sample) {
    if (!this.stream) {
      this.stream = new Audio();
      for (const name of ["ended", "pause", "playing"]) this.stream.addEventListener(name, () => this.dispatchEvent(new Event("change")));
    }
    this.stream.volume = this.volume;
    this.stream.src = addressOf(`/samples/${sample.id}/audio`);
    try {
      await this.stream.play();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.stream.src = addressOf(`/samples/${sample.id}/preview?as=original`);
      await this.stream.play();
    }
  }

  stop() {
    this.turn += 1;
    if (this.source) {
      const { source, fade, context } = this;
      this.source = null;
      fade.gain.cancelScheduledValues(context.currentTime);
      fade.gain.setTargetAtTime(0, context.currentTime, FADE_S / 2);
      source.stop(context.currentTime + 4 * FADE_S);
    }
    if (this.stream && !this.stream.paused) this.stream.pause();
    this.dispatchEvent(new Event("change"));
  }

  /** Decode what may be played next. */
  async preload(samples) {
    this.start();
    for (const sample of samples) {
      if (!sample || (sample.source_bytes ?? 0) > STREAMED_BYTES) continue;
      try {
        await this.bufferOf(sample, this.kind);
      } catch {
        // It is said when it is played.
      }
    }
  }

  bufferOf(sample, kind) {
    const key = `${sample.id} ${kind}`;
    const kept = this.buffers.get(key);
    if (kept) {
      this.buffers.delete(key);
      this.buffers.set(key, kept);
      return kept.buffer;
    }
    const wish = this.fetchBuffer(sample, kind);
    this.buffers.set(key, { buffer: wish, bytes: 0 });
    wish.then(
      (buffer) => {
        if (this.buffers.has(key)) this.buffers.get(key).bytes = buffer.length * buffer.numberOfChannels * 4;
        this.makeRoom();
      },
      () => this.buffers.delete(key),
    );
    return wish;
  }

  async fetchBuffer(sample, kind) {
    const original = `/samples/${sample.id}/audio`;
    const response = await send("GET", kind === "original" ? original : `/samples/${sample.id}/preview?as=device`);
    try {
      return await this.context.decodeAudioData(await response.arrayBuffer());
    } catch (error) {
      if (kind !== "original") throw error;
      const again = await send("GET", `/samples/${sample.id}/preview?as=original`); // a format that this browser does not know
      return this.context.decodeAudioData(await again.arrayBuffer());
    }
  }

  makeRoom() {
    let bytes = [...this.buffers.values()].reduce((sum, kept) => sum + kept.bytes, 0);
    for (const [key, kept] of this.buffers) {
      if (this.buffers.size <= MOST_BUFFERS && bytes <= MOST_BYTES) return;
      this.buffers.delete(key);
      bytes -= kept.bytes;
    }
  }
}

/** The bar at the foot of the page; `open` shows the sample that plays in full. */
export function playerBar(player, waves, open) {
  const title = h("span", { class: "p-title" }, "Nothing plays");
  const facts = h("span", { class: "p-facts" });
  const canvas = h("canvas", { class: "wave p-wave", "aria-hidden": "true" });
  const time = h("span", { class: "p-time" });
  const play = h("button", { type: "button", class: "p-play", "aria-label": "Play", onclick: () => toggle() });
  const kinds = ["original", "device"].map((kind) =>
    h("button", { type: "button", class: "p-kind", "aria-pressed": "false", title: kind === "device" ? "Exactly what an export writes" : "The file itself", onclick: () => player.sample && player.play(player.sample, kind) }, kind === "device" ? "Device" : "Original"),
  );
  const volume = h("input", { type: "range", min: "0", max: "1", step: "0.01", value: String(player.volume), "aria-label": "Volume", oninput: () => player.setVolume(Number(volume.value)) });
  const toggle = () => (player.isPlaying ? player.stop() : player.sample && player.play(player.sample));
  let frame = 0;
  const draw = () => {
    const { sample, isPlaying } = player;
    play.textContent = isPlaying ? "■" : "▶";
    play.setAttribute("aria-label", isPlaying ? "Stop" : "Play");
    play.disabled = name.disabled = !sample;
    if (sample) {
      title.textContent = sample.title;
      const rate = sample.source_rate_hz ? `${sample.source_rate_hz / 1000} kHz` : "";
      facts.textContent = player.kind === "device" ? "48 kHz, 16 bit, as the device gets it" : [sample.source_format, rate].filter(Boolean).join(" ");
      const length = sample.source_frames && sample.source_rate_hz ? sample.source_frames / sample.source_rate_hz : null;
      time.textContent = duration(length);
      waves.paint(canvas, sample.id, isPlaying ? player.done : 0);
    }
    kinds.forEach((button, at) => button.setAttribute("aria-pressed", String(player.kind === ["original", "device"][at])));
    cancelAnimationFrame(frame);
    if (isPlaying && !matchMedia("(prefers-reduced-motion: reduce)").matches) frame = requestAnimationFrame(draw);
  };
  const name = h("button", { type: "button", class: "p-name", title: "Show the sample in full", disabled: true, onclick: () => open(player.sample) }, title, facts);
  player.addEventListener("change", draw);
  waves.addEventListener("drawn", (event) => event.detail === player.sample?.id && draw());
  draw();
  return [play, name, canvas, time, h("div", { class: "p-kinds", role: "group", "aria-label": "Listen to" }, kinds), volume];
}
