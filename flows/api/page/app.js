// The page: its head, its screens by the address, and the keys that act everywhere.

import { Activity, connection, Problem, search } from "./api.js";
import { announce, applyTheme, byId, fill, h, integer, lazily, whenReleased } from "./dom.js";
import { searchField } from "./filters.js";
import { Library } from "./library.js";
import { onKey, padOfCode } from "./moves.js";
import { Player, playerBar } from "./player.js";
import { given, readQuery, Samples, Selection } from "./samples.js";
import { Waves } from "./waves.js";

applyTheme();
const samples = new Samples();
const selection = new Selection();
const waves = new Waves();
const player = new Player();
const activity = new Activity();
const main = byId("main");
const dialogs = {};
let shownPath = "";
const library = new Library({ samples, selection, waves, player, change });

// ---- the screens, by the address: so back and forward work ----

/** Show other samples. */
function change(filter, order = {}) {
  const { sort, order: direction } = { ...samples.query, ...order };
  samples.query = { filter, sort, order: direction };
  location.hash = `#/library${search({ ...given(filter), sort, order: direction })}`;
}

/** What shows the other screens, each loaded when it is wanted. */
const SCREENS = {
  kits: () => kitHost(),
  exports: () => lazily(() => import("./exports.js")),
  card: () => lazily(() => import("./card.js")),
  settings: () => lazily(() => import("./settings.js")),
};

async function route() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  if (path !== shownPath) for (const dialog of document.querySelectorAll("dialog[open]:not(.signin)")) dialog.close();
  shownPath = path;
  const [, screen = "library", id] = path.split("/");
  for (const link of byId("top").querySelectorAll("nav a")) {
    if (link.hash === `#/${screen}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (Object.hasOwn(SCREENS, screen)) {
    const loaded = await SCREENS[screen]();
    if (path !== shownPath) return; // somebody went on to another screen meanwhile
    return show(screen, loaded, id, query);
  }
  if (!library.element.isConnected) main.replaceChildren(library.element);
  library.draw();
  return samples.show(readQuery(query));
}

function show(screen, loaded, id, query) {
  if (screen === "kits") return loaded.show(page(), id && decodeURIComponent(id), new URLSearchParams(query).get("bank"));
  if (screen === "settings") return loaded.settingsScreen(page(), () => library.grid.setColumns());
  if (screen === "card") return id ? loaded.cardDetail(page(), id, { activity, put: putOnCard, prune: pruneCard }) : loaded.cardList(page());
  return id ? loaded.exportDetail(page(), Number(id), { retry: exportAgain, put: putOnCard }) : loaded.exportList(page(), activity, showJob);
}

function page() {
  const element = h("div", { class: "page" });
  main.replaceChildren(element);
  return element;
}

// ---- the dialogs, each loaded when it is wanted ----

/** Make a dialog once, also where it is asked for again while it is loaded; `make` gives an object with an element `dialog`. */
function dialogOf(name, make) {
  dialogs[name] ??= make().then((made) => {
    document.body.append(made.dialog);
    // What had the focus before may have been drawn anew meanwhile.
    made.dialog.addEventListener("close", () => document.activeElement === document.body && library.element.isConnected && library.grid.focusRow(library.grid.focused.row));
    return made;
  }).catch((problem) => {
    delete dialogs[name];
    throw problem;
  });
  return dialogs[name];
}

const exporting = () => dialogOf("export", async () => {
  const { Exporting } = await lazily(() => import("./exporting.js"));
  return new Exporting(activity);
});
const exportSamples = async ({ request, number, name, sound }) => (await exporting()).open(request, number, { name, sound });
const exportAgain = async (id, order) => (await exporting()).retry(id, order);
const putOnCard = async (id, card, initialize) => (await exporting()).put(id, card, initialize);
const pruneCard = async (card, order) => (await exporting()).prune(card, order);
const showJob = async (id) => (await exporting()).show(id);
const scan = async () => (await dialogOf("scan", async () => {
  const { Scanning } = await lazily(() => import("./scanning.js"));
  return new Scanning(activity, showJob);
})).open();
const signIn = async () => (await dialogOf("sign-in", async () => (await lazily(() => import("./session.js"))).signInDialog())).open();
const help = async () => (await dialogOf("help", async () => (await lazily(() => import("./session.js"))).helpDialog())).open();

const openSample = (sample) => {
  if (!library.element.isConnected) location.hash = "#/library";
  library.openDrawer(sample);
};

// ---- kits ----

let kits = null;

/** What shows kits, from the first time on that one is wanted. */
async function kitHost() {
  const { KitHost } = await lazily(() => import("./kithost.js"));
  return (kits ??= new KitHost({ activity, library, player, waves, samples, selection, openSample, exporting }));
}

const withKits = (act) => kitHost().then(act).catch((problem) => announce(`${problem.message}. ${problem.fix ?? ""}`));
library.addEventListener("kit", () => withKits((host) => host.togglePanel()));
library.addEventListener("pads", () => {
  const { taken } = library;
  if (taken) withKits((host) => host.askForPad(taken));
});
library.addEventListener("export", (event) => exportSamples(event.detail));
library.addEventListener("retry", ({ detail }) => exportAgain(detail.export, detail.order));
library.addEventListener("scan", scan);
connection.addEventListener("signin", signIn);

// ---- what goes on at the server ----

activity.addEventListener("records", () => {
  samples.refresh();
  library.drawer?.refresh();
  if (location.hash.startsWith("#/exports")) whenReleased(main, route);
});

const badge = h("button", { type: "button", class: "badge", hidden: true, onclick: () => (badge.dataset.job ? showJob(badge.dataset.job) : (location.hash = "#/exports")) });

function drawBadge() {
  const [first, ...others] = activity.running;
  badge.hidden = !first && !activity.lock;
  badge.dataset.job = first?.id ?? "";
  const far = !first ? "elsewhere" : first.state === "queued" ? "waiting" : first.total ? `${integer(first.done)}/${integer(first.total)}` : "begins";
  badge.textContent = `● ${far}${others.length ? ` +${others.length}` : ""}`;
  badge.setAttribute("aria-label", first ? `Under way: ${far}` : `An export elsewhere: ${activity.lock?.owner}`);
}

activity.addEventListener("change", drawBadge);
activity.addEventListener("ended", ({ detail: job }) => {
  if (activity.running.length || document.querySelector("dialog[open]")) return;
  const text = job.state === "done" ? (job.failed ? `Done, ${integer(job.failed)} failed` : "Done") : "Ended";
  Object.assign(badge, { hidden: false, textContent: `${job.state === "done" && !job.failed ? "✓" : "✗"} ${text}` });
  badge.dataset.job = job.id;
  badge.removeAttribute("aria-label");
  announce(text);
  setTimeout(drawBadge, 20_000);
});

connection.addEventListener("offline", () => {
  byId("banner").hidden = false;
  byId("banner").textContent = "The server does not answer. What is loaded stays; it is asked again.";
});
connection.addEventListener("online", () => {
  byId("banner").hidden = true;
  if (samples.problem) samples.load(1);
});

// ---- sound ----

player.addEventListener("failed", ({ detail }) => {
  const text = detail instanceof Problem ? `${detail.message}. ${detail.fix}` : "This browser cannot play it";
  byId("player").dataset.trouble = text;
  announce(text);
});
player.addEventListener("change", () => delete byId("player").dataset.trouble);

// ---- keys ----

let leader = 0;

function escape(typing) {
  if (typing) library.grid.focusRow(library.grid.focused.row);
  else if (player.isPlaying) player.stop();
  else selection.clear();
}

addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox], [type=radio], [type=range]), select, textarea");
  if (document.querySelector("dialog[open]")) return;
  // For a moment after a dialog was closed, the focus is nowhere, or still on what was in it.
  if ((event.target === document.body || event.target.closest("dialog")) && library.element.isConnected) {
    library.grid.focusRow(library.grid.focused.row);
    onKey(library.grid, event);
    if (event.defaultPrevented) return;
  }
  if (event.altKey && padOfCode(event.code) && !event.ctrlKey && library.holds(document.activeElement)) {
    event.preventDefault();
    const { taken } = library; // before the focus goes on
    if (taken) withKits((host) => host.putOnPad(padOfCode(event.code), taken));
  }
  if ((event.ctrlKey || event.metaKey) && event.code === "KeyZ" && !typing && kits) event.shiftKey ? kits.kit.redo() : kits.kit.undo();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return escape(typing);
  if (typing) return;
  const inList = library.holds(document.activeElement);
  const afterG = Date.now() - leader < 1000;
  leader = 0;
  if (event.key === "/") byId("search").focus();
  else if (event.key === "?") help();
  else if (event.key === "g") leader = Date.now();
  else if (afterG && event.key === "l") location.hash = "#/library";
  else if (afterG && event.key === "k") location.hash = "#/kits";
  else if (afterG && event.key === "e") location.hash = "#/exports";
  else if (afterG && event.key === "c") location.hash = "#/card";
  else if (inList && event.key === "e") library.exportSelected();
  else if (inList && event.key === "b" && player.sample) player.play(player.sample, player.kind === "device" ? "original" : "device");
  else return;
  event.preventDefault();
});

// ---- the beginning ----

fill(
  byId("top"),
  h("a", { class: "logo", href: "#/library" }, h("span", { class: "pads", "aria-hidden": "true" }, Array.from({ length: 4 }, () => h("i"))), h("span", {}, "SP-404 export")),
  h("nav", { "aria-label": "Screens" }, [["library", "Library"], ["kits", "Kits"], ["exports", "Exports"], ["card", "Card"], ["settings", "Settings"]].map(([name, label]) => h("a", { href: `#/${name}` }, label))),
  searchField(samples, change),
  badge,
  h("button", { type: "button", class: "icon", "aria-label": "Scan a folder", title: "Scan a folder", onclick: scan }, "+"),
  h("button", { type: "button", class: "icon", "aria-label": "Keys", title: "Keys", onclick: help }, "?"),
);
fill(byId("player"), playerBar(player, waves, openSample));
addEventListener("hashchange", route);
await route();
activity.start(); // after the first rows, which it would hold up
if (library.element.isConnected && document.activeElement === document.body) library.grid.focusRow(0);
