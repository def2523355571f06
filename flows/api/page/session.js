// The dialogs over every screen: signing in where a token is asked for, and the list of keys.

import { resume, send } from "./api.js";
import { h } from "./dom.js";

const KEYS = [
  ["↑ ↓, Page up, Page down", "move and listen"],
  ["Space", "listen again"],
  ["Esc", "stop; again: clear the selection"],
  ["x, Shift+↑ ↓, Ctrl+A", "select one, more, all"],
  ["Enter", "the sample in full"],
  ["e", "export"],
  ["b", "original or device"],
  ["/", "search"],
  ["Alt+1–4, q–r, a–f, z–v", "put on a pad of the open kit"],
  ["[ ]", "on pads: the bank before, the next one"],
  ["P", "on pads: play mode, the pad keys sound"],
  ["m", "on pads: pick up, put down (Shift: instead, Alt: copy)"],
  ["Delete, Ctrl+Z, Ctrl+Shift+Z", "on pads: clear, undo, do again"],
  ["g l, g k, g e, g c", "library, kits, exports, card"],
  ["?", "this list"],
];

/** Ask for the token where the server asks for it, over whatever is shown; what waits goes on then. */
export function signInDialog() {
  const field = h("input", { type: "password", id: "token", required: true, autocomplete: "current-password" });
  const note = h("p", { class: "bad", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    note.textContent = "";
    try {
      await send("POST", "/session", { body: { token: field.value }, waits: false });
      field.value = "";
      dialog.close();
      resume();
    } catch (problem) {
      note.textContent = problem.status === 401 ? "That is not the token." : `${problem.message}. ${problem.fix}`;
      field.select();
    }
  };
  const dialog = h("dialog", { class: "signin", "aria-labelledby": "signin-title", oncancel: (event) => event.preventDefault() },
    h("form", { onsubmit: submit },
      h("h2", { id: "signin-title" }, "Sign in"),
      h("p", {}, "This server asks for its token: the setting ", h("code", {}, "api_token"), ", or the file that ", h("code", {}, "api_token_file"), " names."),
      h("input", { type: "text", name: "username", value: "token", autocomplete: "username", hidden: true }),
      h("label", { for: "token" }, "Token"), field, note,
      h("footer", {}, h("button", { type: "submit", class: "primary" }, "Sign in"))));
  return { dialog, open: () => !dialog.open && dialog.showModal() };
}

/** The list of keys. */
export function helpDialog() {
  const dialog = h("dialog", { class: "help", "aria-labelledby": "help-title" },
    h("header", {}, h("h2", { id: "help-title" }, "Keys"), h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    h("dl", {}, KEYS.flatMap(([keys, what]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, what)])),
    h("p", { class: "quiet" }, "Letters act while the list has the focus."));
  return { dialog, open: () => dialog.showModal() };
}
