/** Photos of issues: their issue goes first and is not held up by them; each is kept until the gateway has it. */

const AGAIN_S = [2, 5, 15, 60];
const GONE = new Set([400, 403, 404, 413, 415, 422]); // what no repeat would change

export class Photos extends EventTarget {
  /** `put(issue_id, n, blob)` raises ApiError. Event "change"; "refused" {issue_id, n, error}. */
  constructor({ db, put }) {
    super();
    Object.assign(this, { db, put });
    this.waiting = []; // {issue_id, command_id, n}
    this.failures = 0;
  }

  async load() {
    this.waiting = (await this.db.get("kept", "photos")) ?? [];
    this.flush();
  }

  /** The issue is on the gateway: what lies here for its command follows. May be said twice. */
  async follow(command_id, issue_id, count) {
    const known = this.waiting.filter((one) => one.command_id !== command_id);
    const fresh = Array.from({ length: count }, (_, n) => ({ issue_id, command_id, n }));
    await this.#keep([...known, ...fresh]);
    this.flush();
  }

  async flush() {
    clearTimeout(this.retrying);
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.waiting.length > 0 && (await this.#sent(this.waiting[0])));
    } finally {
      this.busy = false;
    }
    if (this.waiting.length > 0) {
      const step = AGAIN_S[Math.min(this.failures++, AGAIN_S.length - 1)];
      this.retrying = setTimeout(() => this.flush(), step * 1000);
    }
  }

  async #sent(photo) {
    const { issue_id, command_id, n } = photo;
    const blob = await this.db.get("photos", [command_id, n]);
    try {
      if (blob) await this.put(issue_id, n, blob);
      this.failures = 0;
    } catch (error) {
      if (!GONE.has(error.status)) return false;
      this.dispatchEvent(new CustomEvent("refused", { detail: { issue_id, n, error } }));
    }
    await this.#keep(this.waiting.filter((one) => one !== photo));
    await this.db.delete("photos", [command_id, n]).catch(() => {}); // room for others, no more
    return true;
  }

  async #keep(waiting) {
    this.waiting = waiting;
    await this.db.put("kept", waiting, "photos").catch(() => {}); // this page still knows them
    this.dispatchEvent(new Event("change"));
  }
}
