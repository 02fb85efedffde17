import { html, nothing } from "lit";
import { t } from "shared/i18n.js";

/**
 * What one place of the menu shows. `read` brings what `draw_it` draws; it is repeated every `every_ms` and after each `act`.
 * What was read last stays on the screen while there is no answer.
 */
export class View {
  every_ms = 0;

  /** @param {string[]} path what stands behind the name in the address */
  constructor(app, path = []) {
    this.app = app;
    this.path = path;
    this.ready = false;
    this.trouble = "";
    this.left = false;
  }

  async read() {}

  draw_it() {
    return nothing;
  }

  async begin() {
    await this.again();
    if (this.every_ms && !this.left) this.timer = setInterval(() => this.again(), this.every_ms);
  }

  leave() {
    this.left = true;
    clearInterval(this.timer);
  }

  async again() {
    try {
      await this.read();
      this.ready = true;
      this.trouble = "";
    } catch (error) {
      this.trouble = error.status ? error.message : t("ops.no_answer");
      if (error.status === undefined) throw error;
    }
    this.draw();
  }

  draw() {
    if (!this.left) this.app.requestUpdate();
  }

  /** Something is changed, and what is shown is read again. */
  async act(doing, done) {
    const well = await this.app.act(doing, done);
    await this.again();
    this.app.look();
    return well;
  }

  render() {
    const trouble = this.trouble ? html`<p class="bar amber" role="status">${this.trouble}</p>` : nothing;
    return html`${trouble} ${this.ready ? this.draw_it() : html`<p class="quiet">${t("ops.reading")}</p>`}`;
  }
}
