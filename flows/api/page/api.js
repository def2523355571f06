// Calls of the REST API. Every failure is a Problem that says what happened and what to do.

const BASE = "/api/v1/sp404";

/** Events: "offline", "online", and "signin" when a token is asked for. */
export const connection = new EventTarget();

let isOffline = false;
let signedIn = null;

export class Problem extends Error {
  constructor({ detail, fix = "", reason = "", status = 0, kit = null }, retryAfter = 0) {
    super(detail);
    Object.assign(this, { fix, reason, status, kit, retryAfter });
  }
}

function note(offline) {
  if (offline === isOffline) return;
  isOffline = offline;
  connection.dispatchEvent(new Event(offline ? "offline" : "online"));
}

/** Called by the sign-in dialog: what waits for it goes on. */
export function resume() {
  signedIn?.resolve();
  signedIn = null;
}

function waitForSignIn() {
  if (!signedIn) {
    signedIn = Promise.withResolvers ? Promise.withResolvers() : {};
    signedIn.promise ??= new Promise((resolve) => (signedIn.resolve = resolve));
    connection.dispatchEvent(new Event("signin"));
  }
  return signedIn.promise;
}

async function problemOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After") ?? 0);
  try {
    return new Problem(await response.json(), retryAfter);
  } catch {
    return new Problem({ detail: `The server answered ${response.status}`, status: response.status }, retryAfter);
  }
}

/** Ask the server; return the response. */
export async function send(method, path, { body, headers = {}, signal, waits = true } = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers }, signal, credentials: "same-origin" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  for (;;) {
    let response;
    try {
      response = await fetch(BASE + path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      note(true);
      throw new Problem({ detail: "The server does not answer", fix: "Is `sp404 up` still running?", reason: "offline" });
    }
    note(false);
    if (response.status === 401 && waits) {
      await waitForSignIn();
      continue;
    }
    if (!response.ok && response.status !== 304) throw await problemOf(response);
    return response;
  }
}

/** Ask for JSON. Values that are null or empty are left out of the query, lists are repeated, with "" for samples without a value. */
export async function get(path, query = {}, signal = undefined) {
  return (await send("GET", path + search(query), { signal })).json();
}

export async function post(path, body, headers = {}) {
  return (await send("POST", path, { body, headers })).json();
}

export async function put(path, body) {
  return (await send("PUT", path, { body })).json();
}

export function search(query) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && (each !== "" || Array.isArray(value))) parameters.append(name, each);
    }
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

export const addressOf = (path) => BASE + path;

// An export changes the records several times a second, and what is asked of them then slows it down.
const RECORDS_MS = { own: 2000, elsewhere: 30_000 };

/** What goes on at the server: "change" after each answer that is another one, "records" when the records have changed (seldom while somebody exports, and at the end), "ended" with a job. */
export class Activity extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { jobs: [], ended: null, revision: "", lock: null, isBehind: false, toldAt: 0 });
  }

  /** What to type to start the server again. */
  get command() {
    return this.server?.command ?? "sp404 up";
  }

  get running() {
    return this.jobs.filter(({ state }) => state === "queued" || state === "running");
  }

  start() {
    this.poll = poll("/activity", (now) => this.take(now), () => this.running.length > 0);
  }

  take(now) {
    const { revision: before, lock, ended } = this;
    Object.assign(this, now);
    this.ended = new Set(this.jobs.filter(({ ended_at: end }) => end).map(({ id }) => id));
    this.dispatchEvent(new Event("change"));
    // Also one that was never seen to run: a short one begins and ends between two looks.
    for (const job of this.jobs) if (ended && this.ended.has(job.id) && !ended.has(job.id)) this.dispatchEvent(new CustomEvent("ended", { detail: job }));
    if (this.lock && !lock) this.toldAt = Date.now();
    this.isBehind ||= before !== "" && before !== this.revision;
    const pause = this.running.length ? RECORDS_MS.own : this.lock ? RECORDS_MS.elsewhere : 0;
    if (!this.isBehind || Date.now() - this.toldAt < pause) return;
    Object.assign(this, { isBehind: false, toldAt: Date.now() });
    this.dispatchEvent(new Event("records"));
  }
}

/** Ask again and again: soon while `isBusy` says so, seldom else, never while the page is hidden; stops with `stop()`. */
export function poll(path, take, isBusy, soon = 500, seldom = 1500) {
  let timer = 0;
  let etag = "";
  let stopped = false;
  let failures = 0;
  const ask = async () => {
    clearTimeout(timer);
    if (stopped || document.hidden) return;
    try {
      const response = await send("GET", path, { headers: etag ? { "If-None-Match": etag } : {} });
      failures = 0;
      if (response.status !== 304) {
        etag = response.headers.get("ETag") ?? "";
        take(await response.json());
      }
    } catch {
      failures += 1;
    }
    const pause = failures ? Math.min(1000 * 2 ** (failures - 1), 15_000) : isBusy() ? soon : seldom;
    timer = setTimeout(ask, pause);
  };
  document.addEventListener("visibilitychange", ask);
  ask();
  return {
    now: ask,
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", ask);
    },
  };
}
