import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { ask, choice } from "../parts/ask.js";
import { coded } from "../parts/coded.js";

const DAYS = ["1", "7", "30", "90"];
const DRAWN = { error: ["circle-x", "tone-red"], warning: ["triangle-alert", "tone-amber"], info: ["info", "tone-grey"] };

/** Problems that the box sees by itself: cause, effect, what to do, and a button where the gateway can do it. */
export default class Repairs extends View {
  every_ms = 15_000;

  async read() {
    this.found = await this.app.verb("repairs.list");
  }

  async ignore(one) {
    const given = await ask({
      title: t("ops.repairs.ignore_one", { what: t(`ops.repair.${one.kind}.title`) }),
      text: t("ops.repairs.ignore_what"),
      yes: t("ops.repairs.ignore"),
      fields: choice("days", t("ops.repairs.for"), DAYS, { value: "30", words: (n) => t("ops.repairs.days", { n: Number(n) }) }),
    });
    if (given) await this.act(() => this.app.verb("repairs.ignore", { id: one.id, days: Number(given.days) }), t("ops.done"));
  }

  heed(one) {
    return this.act(() => this.app.verb("repairs.ignore", { id: one.id, days: 0 }), t("ops.done"));
  }

  mend({ fix }) {
    return this.act(() => this.app.verb(fix.verb, fix.given), t("ops.done"));
  }

  draw_it() {
    if (!this.found.length) return html`<p>${t("ops.repairs.none")}</p>`;
    return this.found.map((one) => this.problem(one));
  }

  problem(one) {
    const say = (what) => t(`ops.repair.${one.kind}.${what}`);
    const [drawing, tone] = DRAWN[one.severity];
    return html`<section class="card column">
      <div class="row">
        <span class=${tone}>${icon(drawing)}</span>
        <h2 class="grow">${say("title")}</h2>
        ${one.ignored_until
          ? html`<span class="quiet">${t("ops.repairs.ignored", { until: when(one.ignored_until) })}</span>
              <button class="button" @click=${() => this.heed(one)}>${t("ops.repairs.heed")}</button>`
          : html`<button class="button" @click=${() => this.ignore(one)}>${t("ops.repairs.ignore")}</button>`}
      </div>
      <p><span class="quiet">${t("ops.repairs.found")}</span> ${one.found}</p>
      <p><span class="quiet">${t("ops.repairs.cause")}</span> ${coded(say("cause"))}</p>
      <p><span class="quiet">${t("ops.repairs.effect")}</span> ${coded(say("effect"))}</p>
      <p class="quiet">${t("ops.repairs.steps")}</p>
      <ul class="ops-steps">${say("steps").split("\n").map((step) => html`<li>${coded(step)}</li>`)}</ul>
      ${one.fix
        ? html`<div class="row"><button class="button" @click=${() => this.mend(one)}>${icon("wrench")} ${say("fix")}</button></div>`
        : nothing}
    </section>`;
  }
}
