// Where kits meet the rest of the page: their screens, the panel beside the library, and keys of the list that put samples on pads.

import { get } from "./api.js";
import { oneAtATime } from "./dom.js";
import { OpenKit } from "./kit.js";
import { kitPanel, padSheet } from "./kitpanel.js";
import { kitList, kitScreen } from "./kits.js";

export class KitHost {
  /** `parts`: activity, library, player, waves, samples, selection, and what opens a sample and the export dialog. */
  constructor(parts) {
    this.parts = parts;
    this.kit = new OpenKit(parts.activity);
    this.inTurn = oneAtATime(); // the first thing may still open the kit that the second one is for
    this.shown = { ...parts, kit: this.kit, openPad: (pad) => this.openPad(pad), exportKit: async () => (await parts.exporting()).openKit(this.kit) };
  }

  async openPad({ sample_id: id }) {
    if (id) this.parts.openSample(await get(`/samples/${id}`));
  }

  /** Show the kit with this id, or the list of all. */
  show(screen, id, bank) {
    if (/^[A-J]$/.test(bank ?? "")) this.kit.bank = bank;
    return id ? kitScreen(screen, id, this.shown) : kitList(screen, this.kit);
  }

  /** Show the kit beside the list of samples, or hide it. */
  togglePanel() {
    const { library } = this.parts;
    return this.inTurn(async () => library.showPanel(library.panel ? null : await kitPanel(this.shown)));
  }

  /** Put what was taken when the key was pressed on a pad of the bank that is shown. */
  putOnPad(pad, taken) {
    const { library } = this.parts;
    return this.inTurn(async () => {
      const isOpen = this.kit.kit && library.panel;
      await this.kit.ensure();
      if (!isOpen) library.showPanel(await kitPanel(this.shown));
      await this.kit.put(await taken.ids(), `${this.kit.bank}${pad}`);
    });
  }

  async askForPad(taken) {
    await padSheet({ ...this.shown, ...taken });
  }
}
