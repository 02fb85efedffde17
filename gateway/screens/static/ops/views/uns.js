import { html, nothing, svg } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { icon } from "shared/icon.js";
import { number, span, t } from "shared/i18n.js";
import { Live } from "../core/live.js";
import { View } from "../core/view.js";
import { copy, copyable } from "../parts/ask.js";

const SHOWN_MAX = 200;
const DRAW_EVERY_MS = 1_000;
const HISTORY_MAX = 30;

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
    for (const one of topics) {
      const history = [...(this.topics.get(one.topic)?.history ?? []), amount(one.text)].slice(-HISTORY_MAX);
      this.topics.set(one.topic, { ...one, history, at: performance.now() - one.age_s * 1000 });
    }
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
      <div class="ops-tree" id="topics">${this.below(tree(shown))}</div>
    `;
  }

  /** Levels with nothing else beside them share one line. */
  below(node) {
    return repeat(node.below, ([name]) => name, ([name, one]) => {
      let [path, here] = [name, one];
      while (!here.seen && here.below.size === 1) {
        const [[further, next]] = here.below;
        [path, here] = [`${path}/${further}`, next];
      }
      const said = here.seen ? this.topic(here.seen, path) : nothing;
      if (!here.below.size) return said;
      return html`${said}<details open><summary>${path}</summary>${this.below(here)}</details>`;
    });
  }

  topic(one, name) {
    const age = span((performance.now() - one.at) / 1000);
    const facts = [
      t("ops.uns.age", { age }),
      t("ops.uns.rate", { n: one.per_minute }),
      one.retained ? t("ops.uns.retained") : "",
      `QoS ${number(one.qos)}`,
      t("ops.uns.bytes", { n: one.bytes }),
      one.quality && one.quality !== "good" ? t("ops.uns.quality", { quality: one.quality }) : "",
    ].filter(Boolean);
    return html`<div class="ops-topic column-tight">
      <div class="row">
        <strong class="grow" title=${one.topic}>${name}</strong>
        ${spark(one.history.filter((value) => value !== null))}
        ${copyable()
          ? html`<button class="button" aria-label=${t("ops.uns.copy", { topic: one.topic })} @click=${() => copy(one.topic)}>${icon("copy")}</button>`
          : nothing}
      </div>
      <span class="ops-mono">${one.text}</span>
      <span class="quiet">${facts.join(" · ")}</span>
    </div>`;
  }

  sift(text) {
    this.filter = text;
    this.draw();
  }
}

/** A number that a payload says, or null. */
function amount(text) {
  try {
    const said = JSON.parse(text);
    const value = typeof said === "object" ? (said?.value ?? said?.v) : said;
    return typeof value === "number" ? value : null;
  } catch {
    return null;
  }
}

function tree(topics) {
  const root = { below: new Map() };
  for (const one of topics) {
    let node = root;
    for (const level of one.topic.split("/")) {
      if (!node.below.has(level)) node.below.set(level, { below: new Map() });
      node = node.below.get(level);
    }
    node.seen = one;
  }
  return root;
}

/** The last values as a line; the numbers themselves stand beside it. */
function spark(values) {
  if (values.length < 2) return nothing;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values.map((value, place) => `${(place / (values.length - 1)) * 100},${18 - ((value - low) / (high - low || 1)) * 16}`);
  return html`<svg class="ops-spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
    ${svg`<polyline points=${points.join(" ")} vector-effect="non-scaling-stroke"></polyline>`}
  </svg>`;
}
