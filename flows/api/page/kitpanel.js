// The open kit beside the list of samples, and the sheet that asks for a pad: so samples come to pads by mouse, key and finger.

import { count, fill, h } from "./dom.js";
import { listEditable } from "./kit.js";
import { Board } from "./pads.js";
import { troubleNote } from "./remarks.js";

const NEW = "\n";

/** A list of the kits, of which one is open; another one can be chosen. */
function kitChooser(kit) {
  const select = h("select", { "aria-label": "Kit", onchange: async () => {
    if (select.value === NEW) kit.clear();
    await (select.value === NEW ? kit.ensureNew() : kit.open(select.value));
    load();
  } });
  const link = h("a", { href: "#/kits" }, "Open");
  const draw = () => {
    if (!kit.kit) return;
    select.value = String(kit.kit.id);
    link.href = `#/kits/${encodeURIComponent(kit.kit.id)}`;
    link.setAttribute("aria-label", `Open ${kit.kit.name} with its remarks`);
    link.textContent = kit.findings.length ? `Open (${count(kit.findings.length, "remark")})` : "Open";
  };
  const load = async () => {
    const kits = await listEditable().catch(() => []);
    if (kit.kit && !kits.some(({ id }) => id === kit.kit.id)) kits.unshift(kit.kit);
    fill(select, kits.map(({ id, name }) => h("option", { value: String(id) }, name)), h("option", { value: NEW }, "New kit…"));
    draw();
  };
  const element = h("div", { class: "kit-choice" }, select, link);
  kit.watch(element, draw);
  load();
  return element;
}

/** The panel of the open kit, or of none yet. */
export async function kitPanel(parts) {
  const { kit, player, waves, openPad, library } = parts;
  await kit.openLast();
  if (!kit.kit) {
    const make = async () => {
      await kit.ensure();
      library.showPanel(await kitPanel(parts));
    };
    return h("section", { class: "kit-panel", "aria-label": "Kit" }, h("p", { class: "quiet" }, "No kit yet. A kit is up to 160 samples on the pads of ten banks."), h("button", { type: "button", class: "primary", onclick: make }, "New kit"));
  }
  const board = new Board({ kit, player, waves });
  board.addEventListener("open", ({ detail }) => openPad(detail));
  const undo = h("button", { type: "button", class: "icon", "aria-label": "Undo", title: "Undo (Ctrl+Z)", onclick: () => kit.undo() }, "↶");
  const redo = h("button", { type: "button", class: "icon", "aria-label": "Do again", title: "Do again (Ctrl+Shift+Z)", onclick: () => kit.redo() }, "↷");
  const draw = () => {
    undo.disabled = kit.done.length === 0;
    redo.disabled = kit.undone.length === 0;
  };
  kit.watch(undo, draw);
  return h("section", { class: "kit-panel", "aria-label": "Kit" }, h("header", {}, kitChooser(kit), undo, redo), troubleNote(kit), board.element,
    h("p", { class: "quiet" }, "Drag samples here, or press Alt with a pad's key in the list."));
}

/** Ask on which pad of the open kit samples shall come. */
export async function padSheet({ kit, player, waves, ids, number }) {
  await kit.ensure();
  const board = new Board({ kit, player, waves, choosing: true });
  const dialog = h("dialog", { class: "sheet", "aria-labelledby": "sheet-title", onclose: () => dialog.remove() },
    h("header", {}, h("h2", { id: "sheet-title" }, `${count(number, "sample")} to a pad`), h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    kitChooser(kit),
    board.element,
    h("p", { class: "quiet" }, number > 1 ? "The first one comes to the pad that you choose, the others to the next free ones." : "What is on the pad gives way; that can be undone."));
  board.addEventListener("choose", async ({ detail: place }) => {
    dialog.close();
    kit.put(await ids(), place);
  });
  document.body.append(dialog);
  dialog.showModal();
  board.cellOf(board.focused).focus();
}
