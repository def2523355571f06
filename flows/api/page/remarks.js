// What stands beside the pads: the pad that has the focus, what deserves a look and what mends it, what another one changed.

import { get } from "./api.js";
import { count, fill, h, integer, refill, tempo } from "./dom.js";

const DEVICE_NAME = 23;
const isMended = (kit, { sound }) => Object.entries(sound).length > 0 && Object.entries(sound).every(([name, value]) => kit.sound[name] === value);

/** A finding with the button that mends it, where one does. */
function remark(kit, finding) {
  const { mend } = finding;
  const where = finding.bank ? `${finding.bank}${finding.pad}: ` : "";
  const inExport = mend && Object.keys(mend.sound).length > 0;
  const repair = () => {
    if (!inExport) return kit.change(mend.operations, mend.words);
    const others = Object.fromEntries(Object.entries(kit.sound).filter(([name]) => !(name in mend.sound)));
    return kit.keepSound(isMended(kit, mend) ? others : { ...others, ...mend.sound });
  };
  return h("li", { class: "remark-row" },
    h("p", {}, h("strong", {}, where), finding.text, ". ", !mend && h("span", { class: "quiet" }, finding.fix)),
    mend && (inExport || kit.isEditable) && h("button", { type: "button", "aria-pressed": inExport ? String(isMended(kit, mend)) : null, onclick: repair }, inExport && isMended(kit, mend) ? `✓ ${mend.words}, in the export` : mend.words));
}

/** All that deserves a look in the open kit. */
export function remarkList(kit) {
  const element = h("section", { class: "remarks", "aria-label": "Remarks" });
  const draw = () => {
    const { findings, unheard } = kit;
    refill(element,
      h("h2", {}, findings.length ? `Deserves a look (${integer(findings.length)})` : "Nothing stands out"),
      h("ul", { class: "rows" }, findings.map((finding) => remark(kit, finding))),
      unheard > 0 && h("p", { class: "quiet" }, `Less is known of ${count(unheard, "sample")}: not exported yet with the settings in force.`));
  };
  kit.watch(element, draw);
  return element;
}

/** The pad that has the focus, with a button for each thing that keys and dragging do. */
export function padDetail(board, open) {
  const { kit } = board;
  const element = h("section", { class: "pad-detail", "aria-label": "Pad" });
  const button = (text, act, props = {}) => h("button", { type: "button", onclick: act, ...props }, text);
  const draw = () => {
    const place = board.place();
    const found = kit.at(place);
    const failed = kit.results.get(place)?.error;
    refill(element,
      h("h2", {}, found ? `${place} ${found.title}` : `${place} is empty`),
      found?.name && h("p", { class: "quiet" }, "On the device: ", h("code", {}, found.name.slice(0, DEVICE_NAME)), found.name.length > DEVICE_NAME && h("span", { class: "cut" }, found.name.slice(DEVICE_NAME))),
      found && !found.sample_id && h("p", { class: "quiet" }, `${found.file} is not in the library: it is exported all the same.`),
      failed && h("p", { class: "bad" }, failed),
      kit.findingsAt(place).map((finding) => h("ul", { class: "rows" }, remark(kit, finding))),
      found && h("div", { class: "actions" },
        found.sample_id && button("▶ Listen", () => board.listen()),
        found.sample_id && button("In full", () => open(found)),
        kit.isEditable && button(board.picked ? "Put back" : "Move…", () => (board.picked ? board.leave() : board.pickUp()), { "aria-pressed": String(board.picked === place) }),
        kit.isEditable && button("Clear", () => kit.clearPad(place))));
  };
  draw();
  board.addEventListener("drawn", draw);
  return element;
}

/** What went wrong last, and a change that another page or an editor made first. */
export function troubleNote(kit) {
  const element = h("div", { class: "trouble" });
  const draw = () => !element.querySelector(".conflict") && fill(element, kit.trouble && h("p", { class: "bad", role: "alert" }, kit.trouble));
  const showConflict = ({ detail: { problem, orders, words } }) => {
    const settle = (again) => async () => {
      fill(element);
      kit.takeTheirs(problem.kit ?? (await get(kit.path)));
      if (again) kit.change(orders, words);
    };
    fill(element, h("div", { class: "problem conflict", role: "alert" }, h("p", {}, h("strong", {}, problem.message)), h("p", {}, problem.fix),
      h("div", { class: "actions" }, h("button", { type: "button", onclick: settle(false) }, "Show theirs"), h("button", { type: "button", onclick: settle(true) }, "Do mine again on theirs"))));
    element.querySelector("button")?.focus();
  };
  const settled = () => {
    fill(element);
    draw();
  };
  kit.addEventListener("conflict", showConflict);
  kit.addEventListener("settled", settled);
  kit.watch(element, draw, () => {
    kit.removeEventListener("conflict", showConflict);
    kit.removeEventListener("settled", settled);
  });
  return element;
}

/** How far each loop of the kit can be stretched, and which tempo suits all. */
export function tempoReach(kit) {
  const element = h("section", { class: "reach", "aria-label": "Tempo" });
  const draw = () => {
    const loops = [...kit.pads].filter(([, { bpm }]) => bpm).sort(([, a], [, b]) => a.bpm - b.bpm);
    if (!loops.length) return fill(element);
    const low = Math.max(...loops.map(([, { bpm }]) => bpm / 2));
    const high = Math.min(...loops.map(([, { bpm }]) => bpm * 1.5));
    const top = Math.max(...loops.map(([, { bpm }]) => bpm * 1.5));
    const share = (bpm) => `${(bpm / top) * 100}%`;
    return fill(element,
      h("h2", {}, "Loops, and how far the device stretches them"),
      h("p", { class: low <= high ? "quiet" : "bad" }, low <= high ? `Any tempo from ${tempo(Math.ceil(low))} to ${tempo(Math.floor(high))} BPM suits all of them.` : "No tempo suits all of them."),
      h("ul", { class: "rows" }, loops.map(([place, { title, bpm }]) => {
        const isIn = !kit.kit.tempo || (kit.kit.tempo >= bpm / 2 && kit.kit.tempo <= bpm * 1.5);
        return h("li", { class: "reach-row" }, h("span", {}, `${place} ${title}`), h("span", { class: isIn ? "quiet" : "bad" }, `${tempo(bpm / 2)} – ${tempo(bpm * 1.5)}${isIn ? "" : ", out of reach"}`),
          h("span", { class: "reach-bar", "aria-hidden": "true" }, h("i", { class: isIn ? "" : "out", css: { left: share(bpm / 2), width: share(bpm) } }), kit.kit.tempo && h("b", { css: { left: share(kit.kit.tempo) } })));
      })));
  };
  kit.watch(element, draw);
  return element;
}
