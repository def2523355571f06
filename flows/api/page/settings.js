// The screen of settings: what counts where an export says nothing, and what this browser remembers.

import { get, put } from "./api.js";
import { applyTheme, fill, h, problemNote, remembered } from "./dom.js";
import { FORMATS, LAYOUTS } from "./exporting.js";
import { choosePadCode, padCodes, padKey } from "./moves.js";
import { chooseColumns, columnChoices } from "./rows.js";

/** Draw the screen; `columnsChanged` is called when other columns are to be shown. */
export async function settingsScreen(screen, columnsChanged) {
  const body = h("div", {}, h("p", { class: "quiet" }, "Loading…"));
  fill(screen, h("h1", {}, "Settings"), body);
  const found = await get("/preferences").catch((problem) => problem);
  if (found instanceof Error) return fill(body, problemNote(found, () => settingsScreen(screen, columnsChanged)));
  const note = h("p", { role: "status" });
  const wanted = { ...found };
  const save = async () => {
    try {
      await put("/preferences", wanted);
      note.textContent = "Saved.";
    } catch (problem) {
      note.textContent = `${problem.message}. ${problem.fix}`;
    }
  };
  const choose = (name, label, choices) => h("label", { class: "field" }, h("span", {}, label), h("select", { onchange: (event) => { wanted[name] = JSON.parse(event.target.value); save(); } }, [[null, "not set"], ...choices].map(([value, text]) => h("option", { value: JSON.stringify(value), selected: JSON.stringify(found[name] ?? null) === JSON.stringify(value) }, text))));
  const yes = [[true, "yes"], [false, "no"]];
  const check = (label, checked, take) => h("label", { class: "choice" }, h("input", { type: "checkbox", checked, onchange: (event) => take(event.target.checked) }), h("span", { class: "value" }, label));
  const columns = columnChoices();
  const showColumn = (column, isShown) => {
    column.isShown = isShown;
    chooseColumns(columns.filter((each) => each.isShown).map(({ key }) => key));
    columnsChanged();
  };
  const theme = h("select", { onchange: (event) => { remembered.set("theme", event.target.value); applyTheme(); } },
    [["", "as the system"], ["dark", "dark"], ["light", "light"]].map(([value, text]) => h("option", { value, selected: remembered.get("theme", "") === value }, text)));
  const padKeys = h("fieldset", { class: "pad-keys" });
  const takeKey = (pad, event) => {
    if (event.key === "Tab" || event.ctrlKey || event.metaKey || /^(Shift|Alt|Control|Meta|Esc|Arrow|Enter|Space|Delete|Backspace|Bracket|Key[MP]$)/.test(event.code)) return;
    event.preventDefault();
    choosePadCode(pad, event.code);
    drawPadKeys(pad);
  };
  const drawPadKeys = (focused = 0) => {
    fill(padKeys, h("legend", {}, "Keys of the pads: go to one, and press the key that it shall have"), padCodes().map((code, at) =>
      h("input", { type: "text", readOnly: true, value: padKey(at + 1), "aria-label": `Key of pad ${at + 1}`, onkeydown: (event) => takeKey(at + 1, event) })));
    if (focused) padKeys.querySelectorAll("input")[focused - 1].focus();
  };
  drawPadKeys();
  return fill(
    body,
    h("section", {}, h("h2", {}, "Where an export says nothing"),
      choose("organize_by", "Folders", LAYOUTS.map(([value, label]) => [value, label])),
      choose("format", "Format", FORMATS),
      choose("include_metadata", "Text files with the metadata", yes),
      choose("sanitize_filenames", "Only letters, digits, _ and - in names", yes),
      h("label", { class: "field" }, h("span", {}, "Output folder"), h("input", { type: "text", value: found.output_base_path ?? "", placeholder: "not set", onchange: (event) => { wanted.output_base_path = event.target.value || null; save(); } })),
      note),
    h("section", {}, h("h2", {}, "In this browser"),
      h("label", { class: "field" }, h("span", {}, "Colours"), theme),
      check("Listen while moving through the list", remembered.get("autoplay", true), (on) => remembered.set("autoplay", on)),
      h("fieldset", { class: "columns" }, h("legend", {}, "Columns"), columns.map((column) => check(column.label, column.isShown, (on) => showColumn(column, on)))),
      padKeys),
  );
}
