// What was exported: the list, and one export with its samples, reasons first.

import { addressOf, get, send } from "./api.js";
import { ago, clock, count, duration, fill, h, integer, megabytes, problemNote } from "./dom.js";
import { mendButton } from "./mends.js";

const PAGE_SIZE = 100;
const SHOWN = 200;

function verdict(row) {
  if (!row.finished_at) return "running, or interrupted";
  const lost = row.failed + row.rejected;
  return lost ? `${integer(lost)} not exported` : "none failed";
}

/** The screen of all exports; those of this server that are under way stand on top, and `showJob` opens one. */
export async function exportList(screen, activity, showJob) {
  const running = h("div", { class: "running" });
  const table = h("div", { class: "list" }, h("p", { class: "quiet" }, "Loading…"));
  fill(screen, h("h1", {}, "Exports"), running, table);
  const drawRunning = () => {
    if (!screen.isConnected) return activity.removeEventListener("change", drawRunning);
    return fill(running, activity.running.map((job) =>
      h("button", { type: "button", class: "running-row", onclick: () => showJob(job.id) },
        h("span", { class: "strong" }, job.state === "queued" ? "Waiting" : "Running"), h("progress", { max: 1, value: job.total ? job.done / job.total : undefined, "aria-label": "Done" }), job.total ? `${integer(job.done)} of ${integer(job.total)}` : "")));
  };
  activity.addEventListener("change", drawRunning);
  drawRunning();
  await drawPage(table, 1);
}

async function drawPage(table, page) {
  try {
    const found = await get("/exports", { page, page_size: PAGE_SIZE });
    if (!found.total) return fill(table, h("p", { class: "quiet" }, "Nothing was exported yet. Select samples in the library, and press e."));
    const pages = Math.ceil(found.total / PAGE_SIZE);
    const turn = (to, label) => h("button", { type: "button", disabled: to < 1 || to > pages, onclick: () => drawPage(table, to) }, label);
    return fill(table,
      h("ul", { class: "rows" }, found.items.map(listRow)),
      pages > 1 && h("p", { class: "actions" }, turn(page - 1, "Newer"), turn(page + 1, "Older"), h("span", { class: "quiet" }, `Page ${integer(page)} of ${integer(pages)}`)));
  } catch (problem) {
    return fill(table, problemNote(problem, () => drawPage(table, page)));
  }
}

/** The end of a path, which tells more than its beginning. */
const shortened = (path) => {
  const parts = path.split("/");
  return parts.length > 4 ? `…/${parts.slice(-3).join("/")}` : path;
};

function listRow(row) {
  return h("li", {}, h("a", { class: "list-row", href: `#/exports/${row.id}` },
    h("span", { class: "strong" }, `Export ${row.id}`),
    h("span", { title: clock(row.created_at) }, ago(row.created_at)),
    h("span", {}, `${layoutOf(row)}, ${row.format}`),
    h("span", {}, count(row.sample_count, "sample")),
    h("span", { class: row.failed + row.rejected ? "bad" : row.finished_at ? "good" : "quiet" }, verdict(row)),
    h("span", { class: "quiet path", title: row.output_path }, row.label || shortened(row.output_path))));
}

/** How the files of an export lie in folders, in words. */
export const layoutOf = ({ organized_by: layout }) => (layout === "flat" ? "flat" : `by ${layout}`);

export const tile = (label, value) => h("div", { class: "tile" }, h("strong", {}, typeof value === "number" ? integer(value) : value), h("span", {}, label));

/** The screen of one export; `retry` exports again what failed, `put` puts it on a card. */
export async function exportDetail(screen, id, { retry, put }) {
  const body = h("div", {}, h("p", { class: "quiet" }, "Loading…"));
  fill(screen, h("p", {}, h("a", { href: "#/exports" }, "‹ All exports")), h("h1", {}, `Export ${id}`), body);
  try {
    const [row, cards] = await Promise.all([get(`/exports/${id}`, { page_size: 1 }), get("/cards").catch(() => [])]);
    const lost = row.failed + row.rejected;
    const note = h("p", { role: "alert", id: "export-note" }, lost < row.sample_count && row.finished_at && row.not_whole);
    const facts = [["Output", h("span", { class: "path" }, row.output_path)], ["Folders", `${layoutOf(row)}, ${row.format}`], ["When", clock(row.created_at)], ["Note", row.label], ["Trouble", row.trouble && h("span", { class: "bad" }, row.trouble)]];
    const list = h("section", {});
    fill(
      body,
      h("div", { class: "counts" },
        tile("exported", row.exported), tile("unchanged", row.unchanged), tile("failed", row.failed), tile("rejected", row.rejected),
        tile("size", megabytes(row.total_size_bytes)), tile("time", duration(row.export_duration_seconds))),
      h("dl", {}, facts.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      h("div", { class: "actions" },
        row.exported + row.unchanged > 0 && h("button", { type: "button", disabled: Boolean(row.not_whole), "aria-describedby": "export-note", onclick: () => downloadZip(id, note) }, "Download ZIP"),
        row.exported + row.unchanged > 0 && cards.filter((card) => card.has_import).map((card) => h("button", { type: "button", disabled: Boolean(row.not_whole), onclick: () => put(id, card.id) }, `Put on ${card.name}`)),
        lost > 0 && h("button", { type: "button", onclick: () => retry(id) }, "Retry failed")),
      note,
      list,
    );
    if (lost) await drawReasons(list, id, retry);
  } catch (problem) {
    fill(body, problemNote(problem, () => exportDetail(screen, id, { retry, put })));
  }
}

/** Samples that failed, by what failed and what to do about it; each group is asked for when it is opened. */
async function drawReasons(section, id, retry) {
  const { reasons } = await get(`/exports/${id}/samples`, { limit: 1 });
  const groups = reasons.map(({ reason, samples, fix, mend, mendable }) => {
    const list = h("div", { class: "quiet" }, "Loading…");
    const load = async () => {
      const { items } = await get(`/exports/${id}/samples`, { reason, limit: SHOWN });
      fill(list, h("ul", {}, items.map((row) => h("li", {}, h("span", { class: "quiet" }, `${row.title ?? row.file_path ?? `Line ${row.line}`}: `), row.error)), samples > items.length && h("li", {}, `and ${integer(samples - items.length)} more`)));
    };
    return h("details", { open: reasons.length === 1 || Boolean(mend), ontoggle: (event) => event.target.open && load() }, h("summary", {}, h("strong", {}, count(samples, "sample")), ` ${(reason ?? "other").replaceAll("_", " ")}`), fix && h("p", {}, fix),
      mend && h("p", {}, mendButton(mend, (order) => retry(id, order), { number: mendable })), list);
  });
  fill(section, h("h2", {}, "Not exported"), groups);
}

/** Download a ZIP; where there is none, say why: the browser would open the problem as a page. */
export async function downloadZip(id, note) {
  note.textContent = "The ZIP is made…";
  try {
    const response = await send("GET", `/exports/${id}/download`, { headers: { Range: "bytes=0-0" } });
    await response.body?.cancel();
    note.textContent = "";
    const link = h("a", { href: addressOf(`/exports/${id}/download`), download: "" });
    document.body.append(link);
    link.click();
    link.remove();
  } catch (problem) {
    note.textContent = `${problem.message}. ${problem.fix}`;
  }
}
