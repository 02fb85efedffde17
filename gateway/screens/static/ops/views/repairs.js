import { html } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { ask, choice } from "../parts/ask.js";

const DAYS = ["1", "7", "30", "90"];

/** Problems that the box sees by itself: cause, effect, what to do. */
export default class Repairs extends View {
  every_ms = 15_000;

  async read() {
    this.found = await this.app.verb("repairs.list");
  }

  async ignore(one) {
    const given = await ask({
      title: t("ops.repairs.ignore_one", { what: t(`ops.repair.${one.kind}.title`, one.values) }),
      text: t("ops.repairs.ignore_what"),
      yes: t("ops.repairs.ignore"),
      fields: choice("days", t("ops.repairs.for"), DAYS, { value: "30", words: (n) => t("ops.repairs.days", { n: Number(n) }) }),
    });
    if (given) await this.act(() => this.app.verb("repairs.ignore", { id: one.id, days: Number(given.days) }), t("ops.done"));
  }

  heed(one) {
    return this.act(() => this.app.verb("repairs.ignore", { id: one.id, days: 0 }), t("ops.done"));
  }

  draw_it() {
    if (!this.found.length) return html`<p>${t("ops.repairs.none")}</p>`;
    return this.found.map((one) => this.problem(one));
  }

  problem(one) {
    const say = (what) => t(`ops.repair.${one.kind}.${what}`, one.values);
    const bad = one.severity === "error";
    return html`<section class="card column">
      <div class="row">
        <span class=${bad ? "tone-red" : "tone-amber"}>${icon(bad ? "circle-x" : "triangle-alert")}</span>
        <h2 class="grow">${say("title")}</h2>
        ${one.ignored_until
          ? html`<span class="quiet">${t("ops.repairs.ignored", { until: when(one.ignored_until) })}</span>
              <button class="button" @click=${() => this.heed(one)}>${t("ops.repairs.heed")}</button>`
          : html`<button class="button" @click=${() => this.ignore(one)}>${t("ops.repairs.ignore")}</button>`}
      </div>
      <p><span class="quiet">${t("ops.repairs.cause")}</span> ${say("cause")}</p>
      <p><span class="quiet">${t("ops.repairs.effect")}</span> ${say("effect")}</p>
      <p><span class="quiet">${t("ops.repairs.steps")}</span> ${say("steps")}</p>
    </section>`;
  }
}
