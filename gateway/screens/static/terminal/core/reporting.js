/** Tells the gateway how this screen is doing, and what people gave up: at each start of the stream and every minute. */

const EVERY_MS = 60_000;
const TEXT_MAX = 500; // characters
const BUILD = document.querySelector('meta[name="build"]').content;

export class Reporting {
  constructor(app) {
    this.app = app;
    app.store.addEventListener("up", () => this.tell());
    app.outbox.addEventListener("discarded", () => this.tell());
  }

  start() {
    this.stop();
    this.timer = setInterval(() => this.tell(), EVERY_MS);
  }

  stop() {
    clearInterval(this.timer);
  }

  async tell() {
    const { app } = this;
    if (!app.identity || app.store.link.gateway !== "up") return;
    const { outbox, clock } = app;
    const told = {
      waiting: outbox.commands.length,
      oldest_age_ms: outbox.oldest_age_ms === null ? null : Math.round(outbox.oldest_age_ms),
      build: BUILD,
      reload_protection: app.protected,
      battery: await battery(),
      clock_offset_ms: clock.offset_ms === null ? null : Math.round(clock.offset_ms),
    };
    await app.api.post("/seen", told).catch(() => {}); // told again in a minute
    await this.#discarded();
  }

  /** Who gave what up stands in the gateway's log, once it is there to hear of it. */
  async #discarded() {
    const { api, outbox } = this.app;
    for (const entry of (await outbox.discarded()).filter((one) => !one.told)) {
      const { id, type, operation_id, by, reason } = entry;
      const said = { id, type, operation_id, by, code: reason?.code, message: reason?.message?.slice(0, TEXT_MAX) };
      try {
        await api.post("/discarded", said);
      } catch {
        return; // in a minute
      }
      await outbox.discardTold(id);
    }
  }
}

/** 0 to 1; null where the browser does not tell. */
async function battery() {
  try {
    return (await navigator.getBattery?.())?.level ?? null;
  } catch {
    return null;
  }
}
