// What the page can do about samples that failed: a button for each setting with which they are exported after all.

import { h, integer } from "./dom.js";

/** The button that exports again what failed for a reason, with the setting that mends it: `number` samples, or only that of `id`. */
export function mendButton(mend, retry, { number = 1, id = null } = {}) {
  const { words, reason, text, sound } = mend;
  const order = { reason, text, sound, sample_ids: id === null ? [] : [id] };
  return h("button", { type: "button", class: "mend", onclick: () => retry(order) }, `${words} and export again${number > 1 ? ` (${integer(number)})` : ""}`);
}
