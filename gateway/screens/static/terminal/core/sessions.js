/**
 * Who is signed in on this screen: up to six, one of them active. Who leaves it alone is locked out, his timers run on.
 *
 * A session: {id, operator_id, name, role, language, started_at, locked}. Without a gateway nobody can sign in, so nobody is locked
 * out either; after half an hour without a tap the screen only shows.
 */

const LOCK_S = 5 * 60;
const LOCK_AWAY_S = 30 * 60; // while there is no gateway
const LOOKS_MS = 1_000;
export const SESSIONS_MAX = 6;

export class Sessions extends EventTarget {
  /** Events: "change"; "in" {session} after a login or an unlock. */
  constructor({ db, api, clock }) {
    super();
    Object.assign(this, { db, api, clock });
    this.list = [];
    this.active_id = null;
    this.lock_s = LOCK_S;
    this.gateway_up = true;
    this.read_only = false;
    this.touched = clock.mark();
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => this.touch(), { capture: true, passive: true });
    setInterval(() => this.#look(), LOOKS_MS);
  }

  async load() {
    const kept = await this.db.get("kept", "sessions");
    this.list = kept?.list ?? [];
    this.active_id = kept?.active_id ?? null;
    const idle_s = kept ? (this.clock.now() - kept.at) / 1000 : 0;
    if (idle_s > LOCK_AWAY_S) this.list = this.list.map((one) => ({ ...one, locked: true }));
    this.#changed();
  }

  /** The one who works here now; null when nobody is, or he is locked out. */
  get active() {
    const found = this.list.find((one) => one.id === this.active_id);
    return found && !found.locked ? found : null;
  }

  /** The one who is asked to go on after a lock. */
  get locked() {
    const found = this.list.find((one) => one.id === this.active_id);
    return found?.locked ? found : null;
  }

  /** Raises ApiError: PIN_WRONG {attempts_left}, PIN_LOCKED {locked_for_s}, OPERATOR_INACTIVE, OPERATOR_UNKNOWN, PIN_NOT_SET. */
  async login(who, pin) {
    const { session } = await this.api.post("/sessions", pin ? { ...who, pin } : who);
    const others = this.list.filter((one) => one.operator_id !== session.operator_id).map((one) => ({ ...one, locked: true }));
    const [left, ...kept] = others.length >= SESSIONS_MAX ? others : [null, ...others];
    this.list = [...kept, { ...session, locked: false }];
    this.active_id = session.id;
    if (left) this.api.delete(`/sessions/${left.id}`).catch(() => {}); // ends by itself in the end
    this.#came(session);
  }

  /** Goes on with a session of this screen. */
  async unlock(id, pin) {
    await this.api.post(`/sessions/${id}/unlock`, { pin });
    this.list = this.list.map((one) => ({ ...one, locked: one.id !== id }));
    this.active_id = id;
    this.#came(this.list.find((one) => one.id === id));
  }

  async logout(id) {
    await this.api.delete(`/sessions/${id}`);
    this.forget(id);
  }

  /** The gateway does not know it any more. */
  forget(id) {
    this.list = this.list.filter((one) => one.id !== id);
    if (this.active_id === id) this.active_id = this.list.at(-1)?.id ?? null;
    this.#changed();
  }

  lock() {
    if (!this.active) return;
    this.list = this.list.map((one) => ({ ...one, locked: true }));
    this.#changed();
  }

  clear() {
    this.list = [];
    this.active_id = null;
    this.#changed();
  }

  touch() {
    this.touched = this.clock.mark();
  }

  #came(session) {
    this.touch();
    this.#changed();
    this.dispatchEvent(new CustomEvent("in", { detail: { session } }));
  }

  #look() {
    const idle_s = this.clock.age_ms(this.touched) / 1000;
    if (this.gateway_up && this.active && idle_s >= this.lock_s) this.lock();
    const read_only = !this.gateway_up && idle_s >= LOCK_AWAY_S ? true : this.read_only && !this.gateway_up;
    if (read_only !== this.read_only) {
      this.read_only = read_only;
      this.#changed();
    }
  }

  #changed() {
    const kept = { list: this.list, active_id: this.active_id, at: this.clock.now() };
    this.db.put("kept", kept, "sessions").catch(() => {}); // then it is asked for after a reload
    this.dispatchEvent(new Event("change"));
  }
}
