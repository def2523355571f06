// A job that works, and what came of it, in the dialog.

import { get, post } from "./api.js";
import { announce, count, duration, h, integer, megabytes, refill } from "./dom.js";
import { downloadZip } from "./exports.js";
import { mendButton } from "./mends.js";

const SHOWN = 50;
const TITLES = { export: "Exporting", scan: "Scanning", card: "Copying to the card", prune: "Removing from the card" };
const BEGINNINGS = { export: "Reading the samples", scan: "Looking for sounds", card: "Comparing with the card", prune: "Comparing with the card" };
let lastQuarter = 0;

/** Draw how far a job is. `lock` says who else exports, where it has to wait for that. */
export function drawRunning(exporting, job, lock) {
  const { dialog } = exporting;
  const share = job.total ? job.done / job.total : 0;
  const left = job.rate_per_second > 0 ? (job.total - job.done) / job.rate_per_second : null;
  const waits = job.state === "queued" ? (job.place > 1 ? `Waiting: number ${integer(job.place)} in the queue` : "Next in the queue") : lock ? `Waiting for ${lock.owner}` : "";
  const text = waits || (job.total ? `${integer(job.done)} of ${integer(job.total)}` : BEGINNINGS[job.kind]);
  const rate = job.rate_per_second > 0 ? `${job.rate_per_second.toFixed(job.rate_per_second < 10 ? 1 : 0)} a second, ${duration(left)} left` : "";
  const quarter = Math.floor(share * 4);
  if (quarter !== lastQuarter && job.total) announce(`${quarter * 25} percent`);
  lastQuarter = quarter;
  const stop = h("button", { type: "button", onclick: () => { stop.disabled = true; post(`/jobs/${job.id}/cancel`); } }, "Stop");
  refill(
    dialog,
    h("header", {}, h("h2", { id: "export-title" }, TITLES[job.kind])),
    h("progress", { max: 1, value: job.total ? share : undefined, "aria-label": "Done" }),
    h("p", { class: "numbers" }, h("strong", {}, text), " ", h("span", { class: "quiet" }, rate)),
    job.failed > 0 && h("p", { class: "bad" }, `${count(job.failed, "sample")} failed so far`),
    h("p", { class: "quiet" }, "What is done stays done, also when you stop it."),
    h("footer", {}, stop, h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "In the background")),
  );
  if (!dialog.contains(document.activeElement)) dialog.querySelector(".primary").focus();
}

/** Read which rows of an export were lost; null where none was, and for another job. */
export async function readLosses({ kind, result }) {
  if (kind !== "export" || !result || result.failed + result.rejected === 0) return null;
  return get(`/exports/${result.export_id}/samples`, { status: result.failed ? "failed" : "rejected", limit: SHOWN });
}

/** Draw what came of a job that has ended. `losses` are its rows that were lost, `cards` those that are plugged in. */
export function drawResult(exporting, { kind, state, result, problem }, losses, cards) {
  const close = h("button", { type: "button", class: "primary", onclick: () => exporting.dialog.close() }, "Close");
  if (!result) {
    const text = problem ? h("div", { class: "problem", role: "alert" }, h("p", {}, h("strong", {}, problem.detail)), h("p", {}, problem.fix)) : h("p", {}, "It never began.");
    exporting.fill(state === "cancelled" ? "Stopped" : "Not done", text, h("footer", {}, close));
  } else if (kind === "scan") {
    drawScan(exporting, result, close);
  } else if (kind === "card") {
    drawCard(exporting, result, close);
  } else if (kind === "prune") {
    drawPrune(exporting, result, close);
  } else {
    drawExport(exporting, state, result, losses, cards, close);
  }
  close.focus();
}

function drawScan(exporting, result, close) {
  const skipped = Object.entries(result.skipped);
  announce(`${count(result.rows, "sample")} found`);
  exporting.fill(
    "Scanned",
    h("p", { class: "verdict good" }, `✓ ${count(result.rows, "sample")}, ${integer(result.new_samples)} of them new`),
    result.rejected > 0 && h("p", { class: "bad" }, `✗ ${count(result.rejected, "row")} cannot be exported as they are: their cells are wrong`),
    result.missing > 0 && h("p", { class: "warning" }, `${count(result.missing, "row")} name files that are not there`),
    skipped.length > 0 && h("details", {}, h("summary", {}, `Left out: ${integer(skipped.reduce((sum, [, number]) => sum + number, 0))}`),
      h("ul", {}, skipped.map(([why, number]) => h("li", {}, `${integer(number)} × ${why}`)))),
    h("dl", {}, h("dt", {}, "Table"), h("dd", { class: "path" }, result.manifest), h("dt", {}, "Time"), h("dd", {}, duration(result.seconds))),
    h("footer", {}, h("a", { class: "button", href: "#/library?status=new", onclick: () => exporting.dialog.close() }, "Show what is new"), close));
}

function drawCard(exporting, result, close) {
  const troubles = [...result.in_the_way.map((path) => `Another file is in the way: ${path}`), ...result.modified.map((path) => `Not what was exported: ${path}`)];
  exporting.fill(
    troubles.length ? "On the card, in part" : "On the card",
    h("p", { class: "verdict good" }, `✓ ${count(result.written, "file")} written (${megabytes(result.written_bytes)}), ${integer(result.unchanged)} there already`),
    troubles.length > 0 && h("ul", { class: "messages" }, troubles.slice(0, SHOWN).map((text) => h("li", {}, text))),
    result.written > 0 && h("p", { class: "quiet" }, "On the device: hold SHIFT and press pad 13, then choose the import of samples. ", h("code", {}, "sp404 explain device"), " has all steps."),
    h("footer", {}, h("a", { class: "button", href: "#/card", onclick: () => exporting.dialog.close() }, "Show the card"), close));
}

function drawPrune(exporting, { removed, kept }, close) {
  announce(`${count(removed, "file")} removed`);
  exporting.fill(
    "Removed from the card",
    h("p", { class: "verdict good" }, `✓ ${count(removed, "file")} removed`),
    kept.length > 0 && h("p", {}, "These stay, because somebody changed them:"),
    kept.length > 0 && h("ul", {}, kept.slice(0, SHOWN).map((path) => h("li", { class: "path" }, path))),
    h("footer", {}, close));
}

function drawExport(exporting, state, result, losses, cards, close) {
  const lost = result.failed + result.rejected;
  const note = h("p", { role: "alert" });
  const isKit = Boolean(result.pads); // of which the answer is that of one sample, whose file is the kit's folder
  const [bytes, seconds, folder] = isKit ? [result.file_size_bytes, result.conversion_time_seconds, result.output_path] : [result.total_size_bytes, result.total_time_seconds, result.output_base_path];
  const rows = [["Total size", megabytes(bytes)], ["Time", duration(seconds)], ["Output", h("span", { class: "path" }, folder ?? "")], ["Folders", `${isKit ? "kit" : result.organized_by}, ${result.format}`]];
  announce(`${count(result.successful, "sample")} exported, ${integer(lost)} failed`);
  exporting.fill(
    state === "cancelled" ? "Stopped" : lost ? "Done, in part" : "Done",
    h("p", { class: "verdict good" }, `✓ ${count(result.successful, "sample")} exported successfully`, result.unchanged > 0 && h("span", { class: "quiet" }, ` (${integer(result.unchanged)} were there already)`)),
    lost > 0 && h("p", { class: "verdict bad" }, `✗ ${count(lost, "sample")} failed`),
    h("dl", {}, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    losses && errors(losses, lost),
    losses && h("div", { class: "actions" }, losses.reasons.filter(({ mend }) => mend).map(({ mend, mendable }) => mendButton(mend, (order) => exporting.retry(result.export_id, order), { number: mendable }))),
    result.warnings.length > 0 && h("ul", { class: "warning" }, result.warnings.map((warning) => h("li", {}, warning))),
    note,
    h("footer", {},
      result.successful > 0 && h("button", { type: "button", onclick: () => downloadZip(result.export_id, note) }, "Download ZIP"),
      result.successful > 0 && cards.map((card) => h("button", { type: "button", onclick: () => exporting.put(result.export_id, card.id) }, `Put on ${card.name}`)),
      h("a", { class: "button", href: `#/exports/${result.export_id}`, onclick: () => exporting.dialog.close() }, "View Details"),
      lost > 0 && h("button", { type: "button", onclick: () => exporting.retry(result.export_id) }, "Retry failed"),
      close),
  );
}

function errors({ items }, lost) {
  return h("details", { open: lost <= 5 }, h("summary", {}, "Errors"),
    h("ul", {}, items.map((row) => h("li", {}, h("strong", {}, row.title ?? `Line ${row.line}`), `: ${row.error} `, h("span", { class: "quiet" }, row.fix))), lost > items.length && h("li", {}, `and ${integer(lost - items.length)} more, in the details`)));
}
