/**
 * What this screen knows: the gateway's rows as they came, with its own waiting commands replayed on top. Read from here, change
 * through the outbox. Event "change", at most once a frame.
 */

import { replay } from "./reducer.js";
import { Stream } from "./stream.js";

const KEPT_OWN_MS = 1_000; // after an answer to one of our commands
const KEPT_MS = 15_000;
const HIDDEN_MS = 200; // a hidden page has no frames
const DETAILS_MAX = 60;
const ALL = "all";
const UNKNOWN = "TERMINAL_UNKNOWN"; // never paired, or not any more

export class Store extends EventTarget {
  /**
   * @param {{db: import("./db.js").Db, api: import("shared/api.js").Api, clock: import("./clock.js").Clock,
   *   outbox: import("./outbox.js").Outbox, sessions: import("./sessions.js").Sessions}} given
   *
   * Events besides: "up", "down" (the gateway), "unpaired" {code}, "terminal", "identify", "overruled" {name, by}.
   */
  constructor({ db, api, clock, outbox, sessions }) {
    super();
    Object.assign(this, { db, api, clock, outbox });
    this.signed = sessions;
    this.cells = [];
    this.operators = [];
    this.reasons = [];
    this.categories = [];
    this.terminal = null;
    this.policy = {};
    this.gateway = null;
    this.cell = ALL;
    this.build = null;
    this.seq = 0;
    this.ready = false; // something to show
    this.link = { gateway: "unknown", since: clock.now(), cloud: {}, heard_at: null };
    this.cards = new Map();
    this.details = new Map();
    this.stream = new Stream({ open: (signal) => this.#open(signal) });
    this.#listen();
    outbox.addEventListener("change", () => {
      this.touched();
      if (this.keeping) this.#keep(0); // what is tapped is about rows that a reload has to find
    });
    outbox.addEventListener("done", ({ detail }) => this.#answered(detail));
    sessions.addEventListener("change", () => this.touched());
  }

  get sessions() {
    return this.signed.list;
  }

  get session() {
    return this.signed.active;
  }

  /** First what was kept, so that there is something to see; then the gateway's. */
  async start(terminal) {
    this.terminal = terminal;
    this.cell = (await this.db.get("kept", "cell")) ?? terminal?.cell_id ?? ALL;
    const kept = await this.db.get("kept", `snapshot:${this.cell}`);
    if (kept) this.#take(kept);
    this.stale = true;
    this.stream.start();
  }

  stop() {
    this.stream.stop();
  }

  /** Cards as they will be once everything that waits here has been sent. */
  operations() {
    this.shown ??= replay([...this.cards.values()], this.outbox.waiting, this.sessions);
    return this.shown;
  }

  operation(id) {
    return this.operations().find((one) => one.id === id);
  }

  /** Everything about one operation, as last read; asks the gateway when it can. Raises ApiError when nothing is known. */
  async detail(id) {
    try {
      const detail = await this.api.get(`/operations/${encodeURIComponent(id)}`);
      this.#keepDetail(id, detail);
      return detail;
    } catch (error) {
      if (error.status && error.status < 500) throw error;
      const kept = this.details.get(id) ?? (await this.db.get("kept", `detail:${id}`));
      if (!kept) throw error;
      return kept;
    }
  }

  /** What a scan or a typed text means; without a gateway, among what is here. */
  async find(text) {
    try {
      return await this.api.get(`/find?text=${encodeURIComponent(text)}`);
    } catch (error) {
      if (error.status && error.status < 500) throw error;
      return this.#findHere(text);
    }
  }

  /** Another cell, or "all"; remembered. */
  async show(cell) {
    if (cell === this.cell) return;
    this.cell = cell;
    await this.db.put("kept", cell, "cell").catch(() => {}); // then the next start shows its own cell
    const kept = await this.db.get("kept", `snapshot:${cell}`);
    this.cards = new Map();
    if (kept) this.#take(kept);
    this.stale = true;
    this.touched();
    this.stream.restart();
  }

  /** A command got no answer: is anybody there? */
  probe() {
    this.stream.restart();
  }

  touched() {
    this.shown = null;
    if (this.drawing) return;
    this.drawing = true;
    const draw = () => {
      this.drawing = false;
      this.dispatchEvent(new Event("change"));
    };
    if (document.visibilityState === "visible") requestAnimationFrame(draw);
    else setTimeout(draw, HIDDEN_MS);
  }

  // ---------------------------------------------------------------- the gateway's

  async #open(signal) {
    if (this.stale) await this.#refresh();
    return this.api.open("GET", `/stream?since=${this.seq}&epoch=${this.epoch}&cell=${encodeURIComponent(this.cell)}`, { signal });
  }

  async #refresh() {
    const cell = this.cell;
    const snapshot = await this.api.get(`/snapshot?cell=${encodeURIComponent(cell)}`).catch((error) => {
      if (error.code === UNKNOWN) this.unpaired(error.code);
      throw error;
    });
    if (cell !== this.cell) throw new Error("another cell meanwhile");
    this.#take(snapshot);
    this.stale = false;
    this.clock.sync(snapshot.now);
    this.#keep(0);
  }

  #take(snapshot) {
    const { seq, epoch, build, terminal, policy, gateway, cells, operators, scrap_reasons, issue_categories, link, operations } = snapshot;
    Object.assign(this, { seq, epoch, build, terminal, policy, gateway, cells, operators, reasons: scrap_reasons, categories: issue_categories });
    this.link.cloud = link?.cloud ?? {};
    this.cards = new Map(operations.map((card) => [card.id, card]));
    this.ready = true;
    if (policy?.lock_after_s) this.signed.lock_s = policy.lock_after_s;
    this.touched();
    this.dispatchEvent(new Event("terminal"));
  }

  #listen() {
    const on = (name, act) => this.stream.addEventListener(name, ({ detail }) => act(detail));
    on("up", () => this.#linked("up"));
    on("down", () => this.#linked("down"));
    on("rows", (rows) => this.#rows(rows));
    on("status", ({ now, link, build }) => {
      this.clock.sync(now);
      this.link.cloud = link?.cloud ?? {};
      this.link.heard_at = this.clock.now();
      if (build) this.build = build;
      this.touched();
    });
    on("terminal", ({ terminal, identify }) => {
      if (!terminal) {
        this.unpaired(UNKNOWN);
        return;
      }
      this.terminal = terminal;
      if (identify) this.dispatchEvent(new Event("identify"));
      this.touched();
      this.dispatchEvent(new Event("terminal"));
    });
    on("reset", () => {
      this.stale = true;
      this.stream.restart();
    });
    on("refused", (error) => error.code === UNKNOWN && this.unpaired(error.code));
  }

  #linked(state) {
    this.link.gateway = state;
    this.link.since = this.clock.now();
    this.signed.gateway_up = state === "up";
    if (state === "up") {
      this.link.heard_at = this.clock.now();
      this.outbox.wake();
    } else if (this.keeping) this.#keep(0);
    this.touched();
    this.dispatchEvent(new Event(state));
  }

  #rows({ seq, operations = [], gone = [] }) {
    for (const card of operations) {
      this.#compare(card);
      this.#put(card);
    }
    for (const id of gone) this.cards.delete(id);
    if (seq > this.seq) this.seq = seq;
    this.touched();
    this.#keep(KEPT_MS);
  }

  /** Somebody else was quicker: what waits here does not lead to what the gateway says. */
  #compare(card) {
    const own = this.outbox.waiting.some((one) => one.operation_id === card.id && one !== this.outbox.sending);
    const known = this.cards.get(card.id);
    if (!own || !known || known.status === card.status) return;
    if (this.operation(card.id).status === card.status) return; // our own, whose answer was lost
    const by = card.on_it.map((one) => one.name).join(", ");
    this.dispatchEvent(new CustomEvent("overruled", { detail: { name: card.name, by } }));
  }

  #answered({ command, result }) {
    for (const card of result?.operations ?? []) {
      if (this.cards.has(card.id)) this.#put(card);
    }
    this.details.delete(command.operation_id);
    this.touched();
    this.#keep(KEPT_OWN_MS);
  }

  /** A row that was there in a newer version stays. */
  #put(card) {
    const known = this.cards.get(card.id);
    if (known && known.version > card.version) return;
    this.cards.set(card.id, card);
  }

  /** The gateway does not let this screen in. */
  unpaired(code) {
    this.stop();
    this.dispatchEvent(new CustomEvent("unpaired", { detail: { code } }));
  }

  // ---------------------------------------------------------------- kept on this screen

  /** Writes what is shown within this time: a disk of a tablet wears. */
  #keep(within_ms) {
    const due = this.clock.steady() + within_ms;
    if (this.keeping && this.keeping.due <= due) return;
    clearTimeout(this.keeping?.timer);
    this.keeping = { due, timer: setTimeout(() => this.#write(), within_ms) };
  }

  async #write() {
    this.keeping = null;
    const { seq, epoch, build, terminal, policy, gateway, cells, operators, reasons, categories, link, cell } = this;
    const rows = { operations: [...this.cards.values()], link: { cloud: link.cloud } };
    const lists = { cells, operators, scrap_reasons: reasons, issue_categories: categories };
    const snapshot = { seq, epoch, build, terminal, policy, gateway, ...lists, ...rows };
    await this.db.put("kept", snapshot, `snapshot:${cell}`).catch(() => {}); // the red bar says that nothing is kept
    await this.db.put("kept", this.clock.offset_ms, "offset_ms").catch(() => {}); // as above
  }

  #keepDetail(id, detail) {
    this.details.delete(id);
    this.details.set(id, detail);
    this.db.put("kept", detail, `detail:${id}`).catch(() => {}); // then it is not there without a gateway
    const [oldest] = this.details.keys();
    if (this.details.size <= DETAILS_MAX) return;
    this.details.delete(oldest);
    this.db.delete("kept", `detail:${oldest}`).catch(() => {}); // as above
  }

  #findHere(text) {
    const wanted = text.replace(/\s+/g, "").toUpperCase();
    const same = (value) => String(value ?? "").replace(/\s+/g, "").toUpperCase() === wanted;
    const names = (card) => [
      card.id,
      card.job_number,
      card.part_number,
      `${card.job_number}:${card.part_number}`,
      `${card.job_number}:${card.part_number}:${card.sequence}`,
    ];
    const operations = this.operations().filter((card) => names(card).some(same));
    if (operations.length > 0) return { kind: "operation", operations };
    const operator = this.operators.find((one) => same(one.employee_id));
    return operator ? { kind: "operator", operator, operations: [] } : { kind: "nothing", operations: [] };
  }
}
