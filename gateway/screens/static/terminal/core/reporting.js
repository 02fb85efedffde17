/** Tells the gateway how this screen is doing: at each start of the stream and every minute. */

const EVERY_MS = 60_000;
const BUILD = document.querySelector('meta[name="build"]').content;

export class Reporting {
  constructor(app) {
    this.app = app;
    app.store.addEventListener("up", () => this.tell());
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
