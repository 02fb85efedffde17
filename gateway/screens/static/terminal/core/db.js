/**
 * What this screen keeps: IndexedDB, which is there on every origin. Where it is not (a private window, a broken disk) things
 * are kept for as long as the page is open, and `durable` says so.
 *
 * Stores: `kept` (name -> value), `commands` (by `n`, in the order of their taps), `photos` (`[command id, n]` -> Blob).
 */

const NAME = "eryxon-terminal";
const VERSION = 1;
const STORES = { kept: {}, commands: { keyPath: "n" }, photos: {} };
const OPENS_MAX_MS = 5_000;

/** @returns {Promise<Db>} never fails: what cannot be kept is held in memory */
export async function openDb() {
  try {
    return new Db(await opened());
  } catch (error) {
    console.warn("nothing can be stored on this screen", error);
    return new Db(null);
  }
}

export class Db extends EventTarget {
  constructor(database) {
    super();
    this.database = database;
    this.memory = Object.fromEntries(Object.keys(STORES).map((name) => [name, new Map()]));
    /** Did the last write reach the disk? Event "change" when that changes. */
    this.durable = database !== null;
    if (database) database.onclose = () => this.#lost();
  }

  async get(store, key) {
    if (!this.database) return this.memory[store].get(String(key));
    return asked(this.database.transaction(store).objectStore(store).get(key));
  }

  /** Every value, by its key. */
  async all(store) {
    if (!this.database) return [...this.memory[store].values()];
    return asked(this.database.transaction(store).objectStore(store).getAll());
  }

  /** Keeps a value; for `commands` its key is its own `n`. Raises when it is not on the disk. */
  async put(store, value, key) {
    if (!this.database) {
      this.memory[store].set(String(key ?? value.n), value);
      return;
    }
    await this.#written(store, (into) => (key === undefined ? into.put(value) : into.put(value, key)));
  }

  async delete(store, key) {
    if (!this.database) {
      this.memory[store].delete(String(key));
      return;
    }
    await this.#written(store, (into) => into.delete(key));
  }

  /** Forgets everything: this screen is nobody's any more. */
  async clear() {
    for (const store of Object.keys(STORES)) {
      this.memory[store].clear();
      if (this.database) await this.#written(store, (into) => into.clear());
    }
  }

  async #written(store, change) {
    try {
      await new Promise((resolve, reject) => {
        const transaction = this.database.transaction(store, "readwrite", { durability: "strict" });
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error ?? new Error("not stored"));
        change(transaction.objectStore(store));
      });
    } catch (error) {
      this.#say(false);
      throw error;
    }
    this.#say(true);
  }

  #lost() {
    this.database = null;
    this.#say(false);
  }

  #say(durable) {
    if (this.durable === durable) return;
    this.durable = durable;
    this.dispatchEvent(new Event("change"));
  }
}

function opened() {
  return new Promise((resolve, reject) => {
    const asking = indexedDB.open(NAME, VERSION);
    const timer = setTimeout(() => reject(new Error("IndexedDB does not open")), OPENS_MAX_MS);
    asking.onupgradeneeded = () => {
      for (const [name, options] of Object.entries(STORES)) asking.result.createObjectStore(name, options);
    };
    asking.onsuccess = () => {
      clearTimeout(timer);
      asking.result.onversionchange = () => asking.result.close();
      resolve(asking.result);
    };
    asking.onerror = () => reject(asking.error);
  });
}

function asked(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
