// The screens of kits: the list, and one kit with its pads, its tempo, and what deserves a look in it.

import { get, post, send } from "./api.js";
import { announce, count, fill, h, problemNote, tempo } from "./dom.js";
import { listKits } from "./kit.js";
import { Board } from "./pads.js";
import { padDetail, remarkList, tempoReach, troubleNote } from "./remarks.js";
import { given, MOST_PADS } from "./samples.js";

/** The screen of all kits. */
export async function kitList(screen, kit) {
  const note = h("div", { role: "alert" });
  const name = h("input", { type: "text", required: true, maxlength: "200", placeholder: "Night Bus", "aria-label": "Name of the new kit" });
  const list = h("div", { class: "list" }, h("p", { class: "quiet" }, "Loading…"));
  const make = async (event) => {
    event.preventDefault();
    try {
      await kit.create(name.value.trim());
      location.hash = `#/kits/${encodeURIComponent(kit.kit.id)}`;
    } catch (problem) {
      fill(note, h("p", { class: "bad" }, `${problem.message}. ${problem.fix}`));
    }
  };
  fill(screen, h("h1", {}, "Kits"), h("form", { class: "actions", onsubmit: make }, name, h("button", { type: "submit", class: "primary" }, "New kit")), note, list);
  await drawKits(list);
}

async function drawKits(list) {
  try {
    const found = await listKits();
    if (!found.length) return fill(list, h("p", { class: "quiet" }, "No kit yet. A kit is up to 160 samples on the pads of ten banks: give one a name, and put samples on its pads. In a terminal, ", h("code", {}, "sp404 scan --kits"), " proposes kits by your folders."));
    return fill(list, h("ul", { class: "rows" }, found.map((kit) => h("li", {}, h("a", { class: "list-row kit-row", href: `#/kits/${encodeURIComponent(kit.id)}` },
      h("span", { class: "strong" }, kit.name), h("span", {}, count(kit.samples, "sample")), h("span", {}, kit.tempo ? `${tempo(kit.tempo)} BPM` : ""),
      h("span", { class: kit.problem ? "bad" : "quiet" }, kit.problem ?? (kit.is_file ? "" : "of a manifest")))))));
  } catch (problem) {
    return fill(list, problemNote(problem, () => drawKits(list)));
  }
}

/** The screen of one kit. `parts`: the open kit, player, waves, samples, selection, and what exports the kit and opens the sample of a pad. */
export async function kitScreen(screen, id, parts) {
  const { kit, player, waves, exportKit, openPad } = parts;
  fill(screen, h("p", { class: "quiet" }, "Loading…"));
  try {
    await kit.open(id);
    if (!screen.isConnected) return null; // somebody went on to another screen meanwhile
  } catch (problem) {
    return fill(screen, h("p", {}, h("a", { href: "#/kits" }, "‹ All kits")), problemNote(problem, () => kitScreen(screen, id, parts)));
  }
  const board = new Board({ kit, player, waves });
  const { element: head, draw: drawHead } = kitHead(parts, board, exportKit);
  board.addEventListener("open", ({ detail }) => openPad(detail));
  const draw = () => {
    if (kit.kit) drawHead();
    else fill(screen, h("p", {}, h("a", { href: "#/kits" }, "‹ All kits")), h("p", { role: "alert" }, "This kit is not there any more: its file was removed or renamed."));
  };
  board.addEventListener("drawn", () => {
    const address = kit.kit && `#/kits/${encodeURIComponent(kit.kit.id)}`;
    if (location.hash.split("?")[0] === address) history.replaceState(null, "", `${address}?bank=${kit.bank}`);
  });
  kit.watch(head, draw);
  return fill(screen, h("p", {}, h("a", { href: "#/kits" }, "‹ All kits")), head, troubleNote(kit), h("div", { class: "builder" }, board.element, h("div", { class: "builder-side" }, padDetail(board, openPad), remarkList(kit), tempoReach(kit))));
}

/** What stands over the pads: an element, and what draws it. A field that is written in stays as it is. */
function kitHead(parts, board, startExport) {
  const { kit } = parts;
  const field = (label, order, words, props) => {
    const input = h("input", { "aria-label": label, ...props, onchange: () => input.reportValidity() && order(input.value.trim()) && kit.change([order(input.value.trim())], words) });
    return input;
  };
  const show = (input, value) => {
    if (input.dataset.shown === value) return; // also where what was written instead was refused: it can be corrected
    if (input !== document.activeElement || input.value === value) input.dataset.shown = input.value = value;
    else delete input.dataset.shown; // it is shown as soon as nobody writes there
  };
  const button = (text, act, props = {}) => h("button", { type: "button", onclick: act, ...props }, text);
  const go = (promise) => promise.catch((problem) => kit.say(`${problem.message}. ${problem.fix ?? ""}`));
  const title = h("h1", { class: "visually-hidden" });
  const name = field("Name", (value) => value && { op: "rename", name: value }, "Renamed", { type: "text", class: "kit-name", maxlength: "200" });
  const bpm = field("Tempo in BPM", (value) => ({ op: "tempo", tempo: value === "" ? null : Number(value) }), "Tempo set", { type: "number", min: "20", max: "999", step: "0.01", placeholder: "none" });
  const exporting = button("Export kit…", startExport, { class: "primary" });
  const undo = button("↶ Undo", () => kit.undo());
  const redo = button("↷ Redo", () => kit.redo());
  const filling = button("Fill…", () => fillDialog(parts));
  const copying = button("", () => go(duplicate(kit)));
  const removing = button("Remove", () => removeDialog(kit));
  const note = h("p", { class: "quiet" });
  const draw = () => {
    const { isEditable } = kit;
    title.textContent = kit.kit.name;
    show(name, kit.kit.name);
    show(bpm, kit.kit.tempo === null ? "" : String(kit.kit.tempo));
    name.readOnly = bpm.readOnly = !isEditable;
    for (const each of [undo, redo, filling, removing]) each.hidden = !isEditable;
    exporting.disabled = kit.pads.size === 0;
    undo.disabled = kit.done.length === 0;
    redo.disabled = kit.undone.length === 0;
    copying.textContent = isEditable ? "Duplicate" : "Duplicate to edit";
    note.hidden = isEditable;
    note.textContent = isEditable ? "" : kit.kit.read_only ?? kit.kit.problem;
  };
  const playing = button("Play mode", () => { board.cellOf(board.focused).focus(); board.setPlaying(!board.isPlaying); });
  const element = h("div", { class: "kit-head" }, title, name, h("label", { class: "kit-tempo" }, bpm, " BPM"), h("div", { class: "actions" }, exporting, undo, redo, filling, playing, copying, removing), note);
  return { element, draw };
}

async function duplicate(kit) {
  const made = await kit.inTurn(() => post(`${kit.path}/copy`, {}));
  location.hash = `#/kits/${encodeURIComponent(made.id)}`;
  announce(`This is ${made.name}`);
}

/** Show a small dialog, which is gone when it is closed. */
function ask(title, ...children) {
  const dialog = h("dialog", { "aria-label": title, onclose: () => dialog.remove() }, h("header", {}, h("h2", {}, title), h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => dialog.close() }, "×")), ...children);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function removeDialog(kit) {
  const remove = async () => {
    dialog.close();
    try {
      await kit.inTurn(() => send("DELETE", kit.path, { headers: { "If-Match": kit.kit.etag } }));
      kit.clear();
      location.hash = "#/kits";
    } catch (problem) {
      kit.say(`${problem.message}. ${problem.fix}`);
    }
  };
  const dialog = ask(`Remove ${kit.kit.name}?`, h("p", {}, "The kit's file is removed. No sound is: neither yours, nor what was exported."),
    h("footer", {}, h("button", { type: "button", onclick: () => dialog.close() }, "Keep it"), h("button", { type: "button", class: "primary", onclick: remove }, "Remove the kit")));
}

/** Fill banks with what is selected, what the library shows, or a folder: drums where players expect them. */
function fillDialog({ kit, samples, selection }) {
  const layOut = async (find) => {
    try {
      const ids = await find();
      if (!ids.length) return fill(note, "No sample is there.");
      dialog.close();
      return kit.fill(ids);
    } catch (problem) {
      return fill(note, `${problem.message}. ${problem.fix}`);
    }
  };
  const search = (query) => layOut(async () => (await get("/samples", { ...query, sort: "title", page_size: MOST_PADS })).items.map(({ id }) => id));
  const folder = h("input", { type: "text", required: true, placeholder: "drums/808/", "aria-label": "Part of a path" });
  const note = h("p", { class: "bad", role: "alert" });
  const shown = given(samples.query.filter);
  const dialog = ask(`Fill from bank ${kit.bank} on`,
    h("p", {}, "Free pads alone are filled: kick, snare and hats on the first pads, takes of the same drum in later banks."),
    h("div", { class: "actions" },
      h("button", { type: "button", disabled: selection.size === 0, onclick: () => layOut(() => selection.taken(null).ids()) }, `With what is selected (${selection.size})`),
      h("button", { type: "button", onclick: () => search(shown) }, samples.total === null || !Object.keys(shown).length ? "With the library, by title" : `With what the library shows (${samples.total})`)),
    h("form", { class: "actions", onsubmit: (event) => { event.preventDefault(); search({ text: folder.value.trim() }); } }, folder, h("button", { type: "submit" }, "With a folder")),
    note);
}
