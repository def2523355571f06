// Dragging samples and pads to pads, with a mouse. Every rule has its keys, and its buttons beside the pads.

import { count } from "./dom.js";
import { beginDrag, drag } from "./moves.js";

const SWITCH_MS = 500;
let switching = 0;

function finish() {
  drag.what = null;
  clearTimeout(switching);
}

/** The listeners of a pad that can be dragged. */
export function padSource(board, place) {
  return { draggable: "true", ondragstart: (event) => beginDrag(event, { pad: place }, place), ondragend: () => { finish(); board.drawTargets("", {}); } };
}

/** Which pads what is dragged comes to, and what happens to what is there, in words. */
export function targetsOf(board, place, event) {
  const { kit } = board;
  const dragged = drag.what;
  if (!dragged || !place) return { places: [], words: "" };
  if (dragged.pad === place) return { places: [], words: "" };
  if (dragged.pad) {
    const words = { copy: `Copy ${dragged.pad} to ${place}`, move: `Move ${dragged.pad} to ${place}`, swap: `Exchange ${dragged.pad} and ${place}` }[kit.effect(place, event)];
    return { places: [place], words };
  }
  const places = kit.placesFrom(place, dragged.number);
  const there = kit.at(place);
  const words = `${count(dragged.number, "sample")}: ${places.slice(0, 6).join(", ")}${places.length > 6 ? " …" : ""}${there ? `, instead of ${there.title}` : ""}`;
  return { places, words };
}

export const dropTarget = {
  /** The listeners of a pad. */
  pad(board, place) {
    const over = (event) => {
      if (!drag.what || !board.kit.isEditable) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = event.altKey ? "copy" : "move";
      board.drawTargets(place, event);
    };
    return {
      ondragenter: over,
      ondragover: over,
      ondrop: async (event) => {
        event.preventDefault();
        const { what } = drag;
        board.drawTargets("", event);
        finish();
        if (what?.pad) board.kit.bring(what.pad, place, event);
        else if (what) board.kit.put(await what.ids(), place);
      },
    };
  },

  /** The listeners of a bank: who stays on it for a moment sees it. */
  tab(board, bank) {
    const wait = (event) => {
      if (!drag.what) return;
      event.preventDefault();
      clearTimeout(switching);
      if (bank !== board.kit.bank) switching = setTimeout(() => board.showBank(bank), SWITCH_MS);
    };
    return { ondragenter: wait, ondragleave: () => clearTimeout(switching) };
  },
};
