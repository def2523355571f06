// The cards that are there, and one of them: what is on it and from where, what does not stand there as it should, and when it can be taken out.

import { get, poll, post } from "./api.js";
import { ago, announce, count, fill, h, integer, megabytes, problemNote, refill } from "./dom.js";
import { layoutOf, tile } from "./exports.js";

const MOST = 500;
const EVERY_MS = 3000;
const ADVICE = {
  missing: "Put their export here again: it writes what is missing.",
  changed: "They stay as they are. Rename or remove them on the card, then put their export here again.",
  stale: "Their output folder has another file by now, or none. A new export of the same library replaces them; those without a successor can be removed.",
};
const STATES = Object.keys(ADVICE);

/** Call `take` with the cards again and again, as long as the screen is shown. */
function watch(screen, take) {
  const polling = poll("/cards", (cards) => (screen.isConnected ? take(cards) : polling.stop()), () => false, 0, EVERY_MS);
}

const space = ({ free_bytes: free, total_bytes: total }) => h("span", { class: "space" },
  h("meter", { min: 0, max: total, value: total - free, "aria-label": "Space that is taken" }), h("span", {}, `${megabytes(free)} free of ${megabytes(total)}`));

const more = (total, shown) => total > shown.length && h("li", {}, `and ${integer(total - shown.length)} more`);
const pathList = ({ total, paths }) => h("ul", { class: "path" }, paths.map((path) => h("li", {}, path)), more(total, paths));

/** Files with what follows each of them, and how many more there are. */
const fileList = (files, total, after) => h("ul", {}, files.map((file) => h("li", {}, h("span", { class: "path" }, file.path), h("span", { class: "quiet" }, ` ${file.title ?? file.source_path} `), after(file))), more(total, files));

/** The screen of all cards. Where there is one, it is shown. */
export async function cardList(screen) {
  const list = h("div", { class: "list" }, h("p", { class: "quiet" }, "Loading…"));
  fill(screen, h("h1", {}, "Card"), list);
  let before = "";
  const draw = (cards) => {
    const [now, isOnly] = [JSON.stringify(cards), !before && cards.length === 1];
    if (now === before) return undefined;
    before = now;
    if (isOnly) return location.replace(`#/card/${cards[0].id}`);
    return refill(list, cards.length ? h("ul", { class: "rows" }, cards.map(cardRow)) : noCard());
  };
  try {
    draw(await get("/cards"));
    if (screen.isConnected) watch(screen, draw);
  } catch (problem) {
    fill(list, problemNote(problem, () => cardList(screen)));
  }
}
const cardRow = (card) => h("li", {}, h("a", { class: "card-row", href: `#/card/${card.id}` },
  h("span", { class: "strong" }, card.name), space(card), h("span", { class: "quiet" }, card.card_id ? "has exports of yours" : card.has_import ? "nothing of yours yet" : "empty")));
const noCard = () => h("div", { class: "empty" },
  h("h2", {}, "No card is plugged in"),
  lastCard(),
  h("ol", {}, h("li", {}, "Put the SD card of the SP-404MKII into the computer on which this program runs."), h("li", {}, "Wait until its system has mounted it: it appears here by itself."), h("li", {}, "Put an export on it.")),
  h("p", { class: "quiet" }, "A card has a folder IMPORT at its root; format a new one in the device. Cards are looked for below /media, /run/media, /mnt and /Volumes. One that is elsewhere: ", h("code", {}, "sp404 export library.csv --card PATH"), "; the one that was written last is listed here then."));

/** Where the card was that was written last, if it is not there now. */
function lastCard() {
  const note = h("p", { role: "status" });
  get("/cards/last").then((last) => last && !last.is_there && fill(note, "The last card, ", h("span", { class: "path" }, last.place), ", is not there"), () => {});
  return note;
}

/** The screen of one card. `put(export, card, initialize)` and `prune(card, order)` start jobs. */
export async function cardDetail(screen, id, { activity, put, prune }) {
  const body = h("div", { "aria-busy": "true" }, h("p", { class: "quiet" }, "Looking at the card…"));
  fill(screen, h("p", {}, h("a", { href: "#/card" }, "‹ All cards")), h("h1", {}, "Card"), body);
  const card = Object.assign(new CardScreen(), { screen, body, id, put, prune });
  let before = "";
  const look = () => {
    // With those that have ended, for a short one runs and ends unseen.
    const now = `${Boolean(activity.lock)} ${activity.running.length > 0} ${[...(activity.ended ?? [])]}`;
    if (!screen.isConnected) return activity.removeEventListener("change", look);
    if (now === before) return undefined;
    before = now;
    return card.load();
  };
  activity.addEventListener("change", look);
  await look();
  watch(screen, (cards) => cards.some((each) => each.id === card.id) === card.isThere || card.load());
}

class CardScreen {
  /** Compare the card with the records: by sizes, or by every byte. */
  async load(compare = "sizes") {
    this.body.setAttribute("aria-busy", "true");
    try {
      const [found, last] = await Promise.all([get(`/cards/${this.id}`, { compare, limit: MOST }), lastExport()]);
      this.isThere = true;
      if (this.screen.isConnected) this.draw(found, last);
      if (compare === "bytes") announce("Every byte is compared");
    } catch (problem) {
      this.isThere = problem.status !== 404;
      if (!this.isThere && (await this.follow())) return this.load(compare);
      fill(this.body, this.isThere ? problemNote(problem, () => this.load(compare)) : h("p", { role: "status" }, "This card is not plugged in any more. Put it in again, or choose another one."));
    }
    return this.body.removeAttribute("aria-busy");
  }

  /** Find the card under the id that its first export gave it. The address alone is changed, so that dialogs stay. */
  async follow() {
    const [same, ...others] = (await get("/cards")).filter(({ name }) => name === this.card?.name);
    if (!same || others.length || this.card.card_id || !this.screen.isConnected) return false;
    this.id = same.id;
    history.replaceState(null, "", `#/card/${same.id}`);
    return true;
  }

  draw(found, last) {
    const { card, counts, exports, unknown, junk } = found;
    this.card = card;
    this.screen.querySelector("h1").textContent = card.name;
    this.plan = h("div", { role: "status" });
    refill(
      this.body,
      h("p", {}, space(card)),
      this.safety(found.busy),
      h("h2", {}, "Files"),
      h("div", { class: "counts" }, ["there", ...STATES].map((state) => tile(state, counts[state]))),
      this.comparison(found),
      STATES.map((state) => counts[state] > 0 && this.files(state, found)),
      h("div", { class: "actions" }, this.putButton(card, last), card.card_id && h("button", { type: "button", onclick: () => this.seeStale() }, "See what would go")),
      this.plan,
      h("h2", {}, "By export"),
      exports.length ? h("ul", { class: "rows" }, exports.map((row) => this.exported(row))) : h("p", { class: "quiet" }, "The records know of nothing on this card."),
      unknown.total > 0 && h("details", {}, h("summary", {}, h("strong", {}, count(unknown.total, "file")), " from elsewhere: yours, they stay"), pathList(unknown)),
      junk.total > 0 && this.junk(junk),
    );
  }

  safety(busy) {
    const button = h("button", { type: "button", disabled: Boolean(busy), onclick: () => this.flush(button) }, "Is it safe to remove?");
    this.note = h("p", { role: "status" });
    if (busy) this.note.textContent = `Leave it in: ${busy} may be writing to it.`;
    return h("div", { class: "actions safety" }, button, this.note);
  }

  async flush(button) {
    const say = (className, textContent) => Object.assign(this.note, { className, textContent });
    button.disabled = true;
    say("", "Writing what is held back…");
    try {
      await post(`/cards/${this.id}/flush`);
      say("good", "✓ Safe to remove: everything is on it. Eject it in your system first if that shows it.");
    } catch (problem) {
      say("bad", `✗ Not safe to remove. ${problem.message}. ${problem.fix}`);
    }
    button.disabled = false;
  }

  comparison({ compared, exports }) {
    if (!exports.length || compared === "bytes") return exports.length > 0 && h("p", { class: "quiet" }, "Every byte of them was compared.");
    const read = () => fill(said, "Reading the whole card…") && this.load("bytes");
    const said = h("p", { class: "quiet", role: "status" }, "Compared by their sizes. ", h("button", { type: "button", class: "link", onclick: read }, "Compare every byte"));
    return said;
  }

  files(state, { counts, items }) {
    const found = items.filter((file) => (state === "stale" ? file.stale : file.state === state));
    return h("details", { open: counts[state] <= 5 }, h("summary", {}, h("strong", {}, count(counts[state], "file")), ` ${state}`),
      h("p", {}, ADVICE[state]), fileList(found, counts[state], (file) => h("a", { href: `#/exports/${file.export_id}`, class: "quiet" }, `Export ${file.export_id}`)));
  }

  putButton(card, last) {
    if (!last) return h("p", { class: "quiet" }, "Nothing was exported yet: ", h("a", { href: "#/library" }, "select samples"), ", and press e.");
    return [
      h("button", { type: "button", class: "primary", onclick: () => this.put(last.id, card.id, !card.has_import) }, card.has_import ? "Put the last export here" : "Make the folder IMPORT, and put the last export here"),
      h("span", { class: "quiet" }, h("a", { href: `#/exports/${last.id}` }, `Export ${last.id}`), `, ${layoutOf(last)}, ${count(last.exported + last.unchanged, "sample")}, ${ago(last.created_at)}`),
    ];
  }

  async seeStale() {
    fill(this.plan, h("p", { class: "quiet" }, "Comparing…"));
    try {
      const { files, bytes, paths, kept, plan } = await get(`/cards/${this.id}/prune`, { what: "stale" });
      fill(this.plan, h("div", { class: "strip" },
        h("p", {}, files ? `${count(files, "file")} with ${megabytes(bytes)} would go: their output folder has none of these names any more.` : "Nothing would go."),
        files > 0 && pathList({ total: files, paths }),
        kept.total > 0 && h("p", {}, `${count(kept.total, "file")} stay, because somebody changed them:`),
        kept.total > 0 && pathList(kept),
        files > 0 && h("button", { type: "button", onclick: () => this.prune(this.id, { what: "stale", plan }) }, `Remove ${count(files, "file")}`)));
    } catch (problem) {
      fill(this.plan, problemNote(problem, () => this.seeStale()));
    }
  }

  exported(row) {
    const list = h("div", {}, h("p", { class: "quiet" }, "Loading…"));
    const load = async () => {
      const { items, total } = await get(`/cards/${this.id}`, { show: "all", export_id: row.export_id, limit: MOST });
      fill(list, h("p", {}, h("a", { href: `#/exports/${row.export_id}` }, "Show the export"), h("span", { class: "quiet path" }, ` of ${row.manifest_path}`)), fileList(items, total, (file) => h("span", { class: "bad" }, file.state === "there" ? "" : file.state, file.stale ? " stale" : "")));
    };
    return h("li", {}, h("details", { ontoggle: (event) => event.target.open && load().catch((problem) => fill(list, problemNote(problem, load))) },
      h("summary", {}, h("strong", {}, `Export ${row.export_id}`), ` ${count(row.files, "file")}, ${megabytes(row.bytes)}`, row.attention > 0 && h("span", { class: "bad" }, `, ${integer(row.attention)} not as they should be`)), list));
  }

  junk(junk) {
    const note = h("div", {});
    const remove = ({ plan, files }) => (files === junk.total ? this.prune(this.id, { what: "junk", plan }) : this.load());
    const press = () => get(`/cards/${this.id}/prune`, { what: "junk" }).then(remove).catch((problem) => fill(note, problemNote(problem, press)));
    return h("details", {}, h("summary", {}, h("strong", {}, count(junk.total, "file")), " of Finder and Explorer: junk"), pathList(junk), h("button", { type: "button", onclick: press }, `Remove ${count(junk.total, "junk file")}`), note);
  }
}

/** The newest export that has files. */
async function lastExport() {
  const { items } = await get("/exports", { page_size: 20 });
  return items.find((row) => row.finished_at && row.exported + row.unchanged > 0);
}
