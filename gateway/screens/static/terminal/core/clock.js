/**
 * When something was tapped, whatever the tablet's own clock says.
 *
 * An age is measured by `performance.now`, which nobody can set. It stands still while a tablet sleeps: when the gateway's
 * clock and the tablet's own agree on how long that was, it is added. The time itself is the gateway's, as last heard.
 */

const SLEPT_MIN_MS = 2_000;
const AGREE_MS = 2_000;

export class Clock {
  /** @param {{wall?: () => number, steady?: () => number}} [given] where time comes from, in milliseconds */
  constructor({ wall = () => Date.now(), steady = () => performance.now() } = {}) {
    this.wall = wall;
    this.steady = steady;
    this.slept_ms = 0;
    /** Gateway's time less the tablet's, as last known; null: never heard. */
    this.offset_ms = null;
    this.synced = null;
  }

  /** What the gateway's clock says at this moment (ISO text). */
  sync(now) {
    const server = Date.parse(now);
    if (Number.isNaN(server)) return;
    const heard = { server, wall: this.wall(), steady: this.steady() };
    if (this.synced) {
      const gone = heard.steady - this.synced.steady;
      const server_gone = heard.server - this.synced.server;
      const wall_gone = heard.wall - this.synced.wall;
      if (server_gone - gone > SLEPT_MIN_MS && Math.abs(server_gone - wall_gone) <= AGREE_MS) this.slept_ms += server_gone - gone;
    }
    this.synced = heard;
    this.offset_ms = server - heard.wall;
  }

  /** The gateway's time in milliseconds; the tablet's while it was never heard. */
  now() {
    if (this.synced) return this.synced.server + this.steady() - this.synced.steady;
    return this.wall() + (this.offset_ms ?? 0);
  }

  /** Of a moment that lies in this load of the page. */
  mark() {
    return { steady: this.steady(), slept_ms: this.slept_ms };
  }

  age_ms(mark) {
    return Math.max(0, Math.round(this.steady() - mark.steady + this.slept_ms - mark.slept_ms));
  }
}
