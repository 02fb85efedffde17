/** Reads ahead what the next operations of a queue need, one after another, so that it is here when the gateway is not. */

const FIRST = 20; // operations
const SETTLED_MS = 2_000; // somebody is looking at the queue, not passing by
const FRESH_MS = 10 * 60_000; // whoever opens one reads it anew anyway

export class Ahead {
  #read = new Map(); // id -> when
  #waits = 0;
  #busy = false;

  constructor(app) {
    this.app = app;
  }

  /** `cards` in the order of the queue. May be called as often as it is drawn. */
  look(cards) {
    this.cards = cards;
    if (!this.#waits && !this.#busy) this.#waits = setTimeout(() => this.#work(), SETTLED_MS);
  }

  stop() {
    clearTimeout(this.#waits);
    this.#waits = 0;
    this.cards = [];
  }

  async #work() {
    this.#waits = 0;
    this.#busy = true;
    try {
      for (let id = this.#next(); id; id = this.#next()) await this.#take(id);
    } catch {
      // nobody answers: there is nothing to read ahead from
    } finally {
      this.#busy = false;
    }
  }

  #next() {
    if (this.app.store.link.gateway !== "up") return undefined;
    const stale = (id) => performance.now() - (this.#read.get(id) ?? -FRESH_MS) >= FRESH_MS;
    return this.cards.slice(0, FIRST).find((card) => stale(card.id))?.id;
  }

  async #take(id) {
    this.#read.set(id, performance.now());
    const { documents } = await this.app.store.detail(id);
    for (const file of documents) if (file.url && pagesOf(file)) await pageOf(this.app, file, 1);
  }
}

/** How many there are to look at: a picture is one. */
export const pagesOf = ({ kind, pages }) => pages ?? (kind === "image" ? 1 : 0);

/**
 * A page as a picture. A file never changes under its address: once seen, it is there without a gateway too. The code of a program is
 * made of what the part says now. Raises when it is not to be had.
 */
export async function pageOf({ api }, file, page) {
  const url = api.base + file.url.replace("{page}", page);
  const answer = await fetch(url, { headers: api.headers(), cache: file.kind === "cnc" ? "no-cache" : "force-cache" });
  if (!answer.ok) throw new Error(`${answer.status} for ${url}`);
  return answer.blob();
}
