// The dialog that scans a folder: choose one of those that the server lets clients use.

import { get, post } from "./api.js";
import { announce, closedSince, count, fill, h, integer, problemNote, refill } from "./dom.js";

/** How the page can use another folder: the setting, and the line to type; `command` starts the server. */
function elsewhere(hasFolders, command) {
  const start = `SP404_API_ROOT=~/Samples ${command}`;
  const copy = h("button", { type: "button", onclick: async () => {
    await navigator.clipboard.writeText(start);
    announce("Copied");
    copy.textContent = "✓ Copied";
  } }, "Copy");
  return h("div", { class: "elsewhere" },
    h("p", {}, hasFolders ? "Your samples are elsewhere? " : "No folders in here. ", "The page may use this folder alone, by the setting ", h("code", {}, "api_root"), ". Stop the server (Ctrl+C), and start it with the folder of your samples, or your home folder:"),
    h("div", { class: "actions" }, h("code", { class: "line" }, start), navigator.clipboard && copy));
}

export class Scanning {
  /** `activity` knows the server's command, `showJob` shows how far a job is. */
  constructor(activity, showJob) {
    Object.assign(this, { activity, showJob, options: { analyze: true, kits: true } });
    this.dialog = h("dialog", { class: "scan", "aria-labelledby": "scan-title", onclose: () => fill(this.dialog) });
  }

  open() {
    return this.choose("");
  }

  draw(...children) {
    const close = h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => this.dialog.close() }, "×");
    refill(this.dialog, h("header", {}, h("h2", { id: "scan-title" }, "Scan a folder"), close), ...children);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Show the folders in a folder; `path` is below the root that the server allows. */
  async choose(path) {
    const isClosed = closedSince(this.dialog);
    try {
      const found = await get("/folders", { in: path });
      if (!isClosed()) this.drawFolders(found);
    } catch (problem) {
      if (!isClosed()) this.draw(problemNote(problem, () => this.choose(path)));
    }
  }

  drawFolders({ root, path, parent, audio_files: sounds, folders, more }) {
    const option = (key, label) => h("label", { class: "choice" }, h("input", { type: "checkbox", checked: this.options[key], onchange: (event) => { this.options[key] = event.target.checked; } }), h("span", { class: "value" }, label));
    const enter = (to, label, aside = "") => h("li", {}, h("button", { type: "button", class: "folder", onclick: () => this.choose(to) }, h("span", {}, label), h("span", { class: "quiet" }, aside)));
    const note = h("div", {});
    this.draw(
      h("p", { class: "path" }, root, path && `/${path}`),
      h("ul", { class: "folders", "aria-label": "Folders" },
        parent !== null && enter(parent, "↑ The folder above"),
        folders.map((folder) => enter(folder.path, folder.name, folder.audio_files ? count(folder.audio_files, "sound") : "")),
        more && h("li", { class: "quiet" }, "and more than these")),
      parent === null && elsewhere(folders.length > 0, this.activity.command),
      h("fieldset", {}, h("legend", {}, "Beside names and lengths"), option("analyze", "Listen to each sound: tempo, root note, duplicates, clipping"), option("kits", "Propose kits from folders of drums")),
      h("p", { class: "quiet" }, "Your files stay as they are. A table with what was found is written into the folder: sp404-manifest.csv."),
      note,
      h("footer", {},
        h("button", { type: "button", onclick: () => this.dialog.close() }, "Cancel"),
        h("button", { type: "button", class: "primary", onclick: () => this.start(path, note) }, sounds ? `Scan this folder (${integer(sounds)} right in it)` : "Scan this folder")),
    );
  }

  async start(folder, note) {
    const isClosed = closedSince(this.dialog);
    try {
      const job = await post("/scans", { folder, ...this.options });
      if (isClosed()) return;
      this.dialog.close();
      this.showJob(job.id);
    } catch (problem) {
      fill(note, problemNote(problem, () => this.start(folder, note)));
    }
  }
}
