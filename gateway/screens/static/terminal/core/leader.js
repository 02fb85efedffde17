/**
 * Of several tabs one works, the others say that it is open elsewhere. Over BroadcastChannel, as `navigator.locks` is not there on a
 * plain LAN address. Who leads answers whoever asks, also from a hidden tab, whose timers stand nearly still.
 */

import { uuid } from "./uuid.js";

const CHANNEL = "eryxon-terminal";
const ASKS_MS = 300; // in which the one who leads answers
const LOOKS_MS = 2_000; // a follower looks whether it is still there
const SILENT_MAX = 2; // times without an answer

export class Leader extends EventTarget {
  /** Event "change". `leads` is null until it is known. */
  constructor() {
    super();
    this.id = uuid();
    this.leads = null;
    this.since = null; // it leads
    this.silent = 0;
    if (typeof BroadcastChannel === "undefined") {
      this.leads = true;
      return;
    }
    this.channel = new BroadcastChannel(CHANNEL);
    this.channel.onmessage = ({ data }) => this.#heard(data);
    addEventListener("pagehide", () => this.leads && this.#post("gone"));
    this.#claim();
  }

  #claim() {
    this.beaten = false;
    this.#post("claim");
    setTimeout(() => this.#decide(!this.beaten), ASKS_MS);
  }

  #heard({ kind, id, since }) {
    if (kind === "claim" && this.leads) this.#post("here");
    else if (kind === "claim" && this.leads === null && id < this.id) this.beaten = true;
    else if (kind === "here") {
      this.beaten = true;
      this.silent = 0;
      const first = since < this.since || (since === this.since && id < this.id);
      // Two at once, on a machine that stood still: the first one stays, and says so.
      if (this.leads && first) this.#decide(false);
      else if (this.leads) this.#post("here");
    } else if (kind === "gone" && this.leads === false) this.#claim();
  }

  #decide(leads) {
    if (!leads) this.#look();
    if (this.leads === leads) return;
    this.leads = leads;
    this.since = leads ? Date.now() : null;
    if (leads) this.#post("here");
    this.dispatchEvent(new Event("change"));
  }

  #look() {
    clearTimeout(this.looking);
    this.looking = setTimeout(() => {
      if (this.leads) return;
      this.silent += 1;
      if (this.silent > SILENT_MAX) this.#claim();
      else {
        this.#post("claim");
        this.#look();
      }
    }, LOOKS_MS);
  }

  #post(kind) {
    this.channel.postMessage({ kind, id: this.id, since: this.since });
  }
}
