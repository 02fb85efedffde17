/**
 * Every tap that changes something is one command. It is written to IndexedDB before the screen says done, sent in order, one at
 * a time, and removed only on a final answer. Nothing is dropped unless a person discards it.
 *
 * A command: {n, id, type, operation_id, payload, session, operator_id, tapped_at, offset_ms, state, reason?, asks_login?}; `state` is
 * "waiting", "held" (its undo window is open), "undone" (until it is gone) or "refused" (`reason`: {status, code, message, details,
 * request_id}).
 */

import { uuid } from "./uuid.js";

const RETRIES_S = [1, 2, 5, 10, 15];
const JITTER = 0.25; // of each of them, more or less
const REFUSED = 400;
const ASKS_LOGIN = 401;
const TRIED_AGAIN = new Set([0, 408, 421, 429]); // 0: nobody answered, 421: the wrong name; and everything from 500 on
const DISCARDED_MAX = 100;

export class Outbox extends EventTarget {
  /**
   * @param {{db: import("./db.js").Db, clock: import("./clock.js").Clock,
   *   send: (command: object) => Promise<any>, session: () => {id: string, operator_id: string} | null, random?: () => number}} given
   *
   * Events: "change"; "done" {command, result}; "refused" {command}; "login" when the gateway wants somebody to log in.
   */
  constructor({ db, clock, send, session, random = Math.random }) {
    super();
    Object.assign(this, { db, clock, send, session, random });
    this.commands = [];
    this.marks = new Map();
    this.timers = new Map();
    this.next_n = 1;
    this.writing = 0;
    this.last = Promise.resolve();
    this.failures = 0;
    this.sending = null;
    this.running = false;
  }

  /** Those not sent yet, held ones among them, in order. */
  get waiting() {
    return this.commands.filter((one) => one.state === "waiting" || one.state === "held");
  }

  /** Nothing is on its way to the disk or to the gateway. */
  get idle() {
    return this.writing === 0 && this.waiting.length === 0;
  }

  get refused() {
    return this.commands.filter((one) => one.state === "refused");
  }

  /** Those that an earlier refused one of the same operation holds up. */
  get behind() {
    return this.waiting.filter((one) => this.#blocked(one));
  }

  /** Age of the oldest that waits, in milliseconds; null when none does. */
  get oldest_age_ms() {
    const [oldest] = this.waiting;
    return oldest ? Math.max(0, this.clock.now() - Date.parse(oldest.tapped_at)) : null;
  }

  /** Takes up what an earlier load of the page has left. A window for undo that it had open is over. */
  async load() {
    this.commands = (await this.db.all("commands")).sort((a, b) => a.n - b.n);
    this.next_n = 1 + Math.max(0, ...this.commands.map((one) => one.n));
    for (const one of this.commands) if (one.state === "held") one.state = "waiting";
    this.running = true;
    this.#changed();
    this.flush();
  }

  /** Another tab takes over. */
  stop() {
    this.running = false;
    for (const timer of this.timers.values()) clearTimeout(timer);
    clearTimeout(this.retrying);
  }

  /**
   * Keeps a command and sends it, after its window for undo if it has one. Resolves once it is on the disk; where nothing can be
   * stored it goes out directly, and this waits for the answer (raises ApiError).
   * @param {{type: string, operation_id?: string | null, payload?: object, session?: string}} wanted
   * @param {{undo_s?: number, photos?: Blob[]}} [options]
   */
  async put({ type, operation_id = null, payload = {}, session }, { undo_s = 0, photos = [] } = {}) {
    this.release();
    const by = this.session();
    const command = {
      n: this.next_n++,
      id: uuid(),
      type,
      operation_id,
      payload,
      session: session ?? by?.id ?? null,
      operator_id: by?.operator_id ?? null,
      operator_name: by?.name ?? null,
      tapped_at: new Date(this.clock.now()).toISOString(),
      offset_ms: this.clock.offset_ms,
      state: undo_s > 0 ? "held" : "waiting",
    };
    this.marks.set(command.id, this.clock.mark());
    this.writing += 1;
    const keep = () => this.#keep(command, undo_s, photos);
    const kept = this.last.then(keep, keep); // whatever became of the one before: in the order of the taps
    this.last = kept;
    try {
      return await kept;
    } finally {
      this.writing -= 1;
    }
  }

  async #keep(command, undo_s, photos) {
    try {
      for (const [n, photo] of photos.entries()) await this.db.put("photos", photo, [command.id, n]);
      await this.db.put("commands", command);
    } catch {
      return this.#direct(command);
    }
    if (!this.db.durable) return this.#direct(command);
    this.release(); // one that was still being written when this was tapped
    this.commands.push(command);
    if (undo_s > 0) {
      command.held_until = this.clock.steady() + undo_s * 1000;
      this.timers.set(command.id, setTimeout(() => this.release(), undo_s * 1000));
    }
    this.#changed();
    this.flush();
    return command;
  }

  /** Takes back one that is held: nothing was sent. False when it is too late. */
  async undo(id) {
    const command = this.#find(id);
    if (command?.state !== "held") return false;
    clearTimeout(this.timers.get(id));
    command.state = "undone"; // at once: what is tapped next ends every window that is still open
    this.#changed();
    try {
      await this.db.delete("commands", command.n);
    } catch {
      command.state = "waiting"; // still on the disk: a reload would send it
      this.flush();
      return false;
    }
    await this.#remove(command);
    return true;
  }

  /** Ends every window for undo: the next tap, or its time is over. */
  release() {
    for (const command of this.commands) {
      if (command.state !== "held") continue;
      clearTimeout(this.timers.get(command.id));
      this.timers.delete(command.id);
      command.state = "waiting";
      this.db.put("commands", stored(command)).catch(() => {}); // held on the disk is sent by the next load as well
    }
    this.flush();
  }

  /** A person says: once more. */
  async retry(id) {
    const command = this.#find(id);
    if (command?.state !== "refused") return;
    command.state = "waiting";
    delete command.reason;
    await this.db.put("commands", stored(command));
    this.failures = 0;
    this.#changed();
    this.flush();
  }

  /** A person says: never. Who and what is kept, and told by the event "discarded". */
  async discard(id, by) {
    const command = this.#find(id);
    if (!command || command === this.sending) return;
    const { reason, type, operation_id, payload, operator_name, tapped_at } = command;
    const entry = { id, type, operation_id, payload, operator_name, tapped_at, reason, by, at: new Date(this.clock.now()).toISOString() };
    await this.db.put("kept", [...(await this.discarded()), entry].slice(-DISCARDED_MAX), "discarded");
    await this.#remove(command);
    this.dispatchEvent(new CustomEvent("discarded", { detail: entry }));
    this.flush();
  }

  /** What people gave up on this screen, the latest last; `told`: the gateway has it in its log. */
  async discarded() {
    return (await this.db.get("kept", "discarded")) ?? [];
  }

  async discardTold(id) {
    const entries = (await this.discarded()).map((one) => (one.id === id ? { ...one, told: true } : one));
    await this.db.put("kept", entries, "discarded").catch(() => {}); // told twice, then
  }

  /** Somebody has logged in: what the gateway did not take for want of a session goes with the new one of the same person. */
  async adopt(session) {
    for (const command of this.commands) {
      if (!command.asks_login || command.operator_id !== session.operator_id) continue;
      command.session = session.id;
      delete command.asks_login;
      await this.db.put("commands", stored(command));
    }
    this.wake();
  }

  /** The gateway is there again: no more waiting. */
  wake() {
    this.failures = 0;
    this.flush();
  }

  /** Sends what can be sent; one call of it runs at a time. */
  async flush() {
    clearTimeout(this.retrying);
    if (this.sending || !this.running) return;
    for (let command = this.#next(); command && this.running; command = this.#next()) {
      if (!(await this.#sent(command))) {
        this.#later();
        return;
      }
    }
  }

  #next() {
    return this.commands.find((one) => one.state === "waiting" && !one.asks_login && !this.#blocked(one));
  }

  #blocked(command) {
    const stuck = (one) => one.n < command.n && one.operation_id === command.operation_id && (one.state === "refused" || one.asks_login);
    return command.operation_id !== null && this.commands.some(stuck);
  }

  /** Was there a final answer? */
  async #sent(command) {
    this.sending = command;
    try {
      const result = await this.send(this.#told(command));
      this.failures = 0;
      this.dispatchEvent(new CustomEvent("done", { detail: { command, result } }));
      await this.#remove(command);
      return true;
    } catch (error) {
      return await this.#failed(command, error);
    } finally {
      this.sending = null;
    }
  }

  async #failed(command, error) {
    const status = error.status ?? 0;
    if (TRIED_AGAIN.has(status) || status >= 500) {
      command.last_error = { status, code: error.code, message: error.message };
      this.dispatchEvent(new CustomEvent("unsent", { detail: { command, status } }));
      this.#changed();
      return false;
    }
    if (status === ASKS_LOGIN) {
      command.asks_login = true;
      this.#changed();
      this.dispatchEvent(new CustomEvent("login", { detail: { command, code: error.code } }));
      return true;
    }
    command.state = "refused";
    const { code, message, details, request_id } = error;
    command.reason = { status: status || REFUSED, code, message, details, request_id };
    await this.db.put("commands", stored(command)).catch(() => {}); // asked again after a reload, refused again
    this.#changed();
    this.dispatchEvent(new CustomEvent("refused", { detail: { command } }));
    return true;
  }

  #later() {
    const step = RETRIES_S[Math.min(this.failures++, RETRIES_S.length - 1)];
    const delay_s = step * (1 + JITTER * (2 * this.random() - 1));
    clearTimeout(this.retrying);
    this.retrying = setTimeout(() => this.flush(), delay_s * 1000);
  }

  /** As the gateway is told it: with an age as long as this page knows it, else with the time of the tap, set right. */
  #told({ id, type, operation_id, payload, session, tapped_at, offset_ms }) {
    const mark = this.marks.get(id);
    if (mark) return { id, type, operation_id, payload, session, tapped_at, age_ms: this.clock.age_ms(mark) };
    const late = offset_ms === null && this.clock.offset_ms !== null ? this.clock.offset_ms : 0;
    return { id, type, operation_id, payload, session, tapped_at: new Date(Date.parse(tapped_at) + late).toISOString() };
  }

  async #direct(command) {
    this.dispatchEvent(new CustomEvent("direct", { detail: { command } }));
    const result = await this.send(this.#told(command));
    this.dispatchEvent(new CustomEvent("done", { detail: { command, result } }));
    return command;
  }

  async #remove(command) {
    await this.db.delete("commands", command.n).catch(() => {}); // sent again after a reload, answered as before
    this.commands = this.commands.filter((one) => one !== command);
    this.marks.delete(command.id);
    this.timers.delete(command.id);
    this.#changed();
  }

  #find(id) {
    return this.commands.find((one) => one.id === id);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** What of it is written down: how long its window is open only this page knows. */
function stored({ held_until, last_error, ...command }) {
  return command;
}
