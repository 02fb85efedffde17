import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { icon } from "shared/icon.js";
import { number, span, t } from "shared/i18n.js";
import { Live } from "../core/live.js";
import { View } from "../core/view.js";
import { copy, copyable } from "../parts/ask.js";

const SHOWN_MAX = 200;
const DRAW_EVERY_MS = 1_000;

/** The Unified Namespace as it speaks. Only looked at: nothing is published from here. */
export default class Uns extends View {
  topics = new Map();
  filter = "";
  halted = false;
  total = 0;
  left_out = 0;

  async read() {
    this.live = new Live("/ops/api/uns", {
      topics: (told) => this.take(told),
      trouble: ({ message }) => (this.said = message),
      open: () => this.anew(),
    });
    this.timer = setInterval(() => this.halted || this.draw(), DRAW_EVERY_MS);
  }

  leave() {
    super.leave();
    this.live?.end();
  }

  anew() {
    this.topics.clear();
    this.said = "";
  }

  take({ topics, gone, total, left_out }) {
    if (this.halted) return;
    for (const one of topics) this.topics.set(one.topic, { ...one, at: performance.now() - one.age_s * 1000 });
    for (const topic of gone) this.topics.delete(topic);
    Object.assign(this, { total, left_out });
  }

  draw_it() {
    const words = this.filter.toLowerCase();
    const found = [...this.topics.values()].filter((one) => !words || `${one.topic} ${one.text}`.toLowerCase().includes(words));
    const shown = found.sort((one, other) => (one.topic < other.topic ? -1 : 1)).slice(0, SHOWN_MAX);
    const halt = () => {
      this.halted = !this.halted;
      this.draw();
    };
    return html`
      <div class="ops-fields">
        <label class="column-tight">
          <span class="label">${t("ops.filter")}</span>
          <input class="field" type="search" .value=${this.filter} @input=${(event) => this.sift(event.target.value)} />
        </label>
        <button class="button" aria-pressed=${this.halted ? "true" : "false"} @click=${halt}>
          ${icon(this.halted ? "play" : "pause")} ${t(this.halted ? "ops.go_on" : "ops.halt")}
        </button>
      </div>
      ${this.said ? html`<p class="bar amber" role="status">${this.said}</p>` : nothing}
      <p class="quiet">
        ${t("ops.uns.count", { n: found.length, total: this.total })}
        ${found.length > SHOWN_MAX ? t("ops.uns.filter_more", { n: SHOWN_MAX }) : ""}
        ${this.left_out ? t("ops.uns.left_out", { n: this.left_out }) : ""}
      </p>
      <ul class="column" id="topics">${repeat(shown, (one) => one.topic, (one) => this.topic(one))}</ul>
    `;
  }

  topic(one) {
    const age = span((performance.now() - one.at) / 1000);
    const facts = [
      t("ops.uns.age", { age }),
      t("ops.uns.rate", { n: one.per_minute }),
      one.retained ? t("ops.uns.retained") : "",
      `QoS ${number(one.qos)}`,
      t("ops.uns.bytes", { n: one.bytes }),
      one.quality && one.quality !== "good" ? t("ops.uns.quality", { quality: one.quality }) : "",
    ].filter(Boolean);
    return html`<li class="card column-tight">
      <div class="row">
        <strong class="grow">${one.topic}</strong>
        ${copyable()
          ? html`<button class="button" aria-label=${t("ops.uns.copy", { topic: one.topic })} @click=${() => copy(one.topic)}>${icon("copy")}</button>`
          : nothing}
      </div>
      <span class="ops-mono">${one.text}</span>
      <span class="quiet">${facts.join(" · ")}</span>
    </li>`;
  }

  sift(text) {
    this.filter = text;
    this.draw();
  }
}
