import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { number, span, t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { ask, input } from "../parts/ask.js";
import "../parts/plot.js";
import { json, state, table } from "../parts/table.js";

const HOURS = [1, 24, 168];
const PAGE = 50;

/** The queue to the cloud and every other way out: how it went, what waits, why. */
export default class Sync extends View {
  every_ms = 10_000;
  hours = 1;
  reader = "cloud";
  filter = "";
  open = null;

  async read() {
    const asked = this.hours;
    const [history, waiting] = await Promise.all([
      this.app.verb("ops.history", { hours: asked }),
      this.app.verb("queue.waiting", { reader: this.reader, limit: PAGE }),
      this.app.look(),
    ]);
    if (asked === this.hours) this.history = history;
    this.tables ??= await this.app.verb("queue.tables");
    this.waiting = waiting;
  }

  async pause() {
    const given = await ask({
      title: t("ops.sync.pause"),
      text: t("ops.sync.pause_what"),
      yes: t("ops.sync.pause"),
      danger: true,
      fields: input("reason", t("ops.reason"), { required: true }),
    });
    if (given) await this.act(() => this.app.verb("queue.pause", given), t("ops.sync.paused"));
  }

  draw_it() {
    const { overview } = this.app;
    const { points } = this.history;
    return html`
      <div class="row">
        ${HOURS.map(
          (one) => html`<button class="button" aria-pressed=${one === this.hours ? "true" : "false"} @click=${() => this.range(one)}>
            ${t(`ops.sync.hours_${one}`)}
          </button>`,
        )}
        <span class="grow"></span>
        <button class="button" @click=${() => this.act(() => this.app.verb("queue.now"), t("ops.sync.trying"))}>
          ${icon("refresh-cw")} ${t("ops.sync.now")}
        </button>
        ${overview?.paused ? nothing : html`<button class="button" @click=${() => this.pause()}>${icon("pause")} ${t("ops.sync.pause")}</button>`}
      </div>
      <ops-plot
        .label=${t("ops.sync.backlog")}
        .points=${points}
        .hours=${this.history.hours}
        .series=${["pending", "parked"]}
        .words=${[t("ops.overview.waiting"), t("ops.overview.set_aside")]}
      ></ops-plot>
      <ops-plot
        .label=${t("ops.sync.throughput")}
        .points=${points}
        .hours=${this.history.hours}
        .series=${["sent", "recorded"]}
        .words=${[t("ops.overview.sent"), t("ops.sync.recorded")]}
      ></ops-plot>
      <h2>${t("ops.sync.ways")}</h2>
      ${this.ways(overview?.links ?? {})} ${this.queue(overview?.links ?? {})}
      <h2>${t("ops.sync.tables")}</h2>
      ${this.known()}
    `;
  }

  range(hours) {
    this.hours = hours;
    this.again();
  }

  ways(links) {
    const found = Object.entries(links).filter(([, one]) => "pending" in one);
    const rows = found.map(
      ([name, one]) => html`<tr>
        <td>${name}</td>
        <td>${state(one.state)}</td>
        <td>${number(one.pending)}</td>
        <td>${one.pending ? span(one.oldest_s) : "–"}</td>
        <td>${number(one.parked)}</td>
        <td>${number(one.sent)}</td>
        <td>${one.error ?? ""}</td>
      </tr>`,
    );
    const heads = ["way", "state", "waiting", "oldest", "set_aside", "sent", "error"].map((one) => t(`ops.head.${one}`));
    return table(t("ops.sync.ways"), heads, rows, t("ops.sync.no_ways"));
  }

  known() {
    const rows = this.tables.map(
      (one) => html`<tr>
        <td class="ops-mono">${one.table}</td>
        <td>${number(one.rows)}</td>
        <td>${when(one.seen_at)}</td>
        <td>${number(one.unsettled)}</td>
      </tr>`,
    );
    const heads = ["table", "rows", "confirmed", "unsettled"].map((one) => t(`ops.head.${one}`));
    return table(t("ops.sync.tables"), heads, rows, t("ops.sync.no_tables"));
  }

  queue(links) {
    const names = Object.entries(links).filter(([, one]) => "pending" in one).map(([name]) => name);
    const words = this.filter.toLowerCase();
    const shown = this.waiting.filter((one) => !words || JSON.stringify(one).toLowerCase().includes(words));
    return html`
      <h2>${t("ops.sync.queue")}</h2>
      <div class="ops-fields">
        <label class="column-tight">
          <span class="label">${t("ops.head.way")}</span>
          <select class="select" @change=${(event) => this.choose(event.target.value)}>
            ${names.map((one) => html`<option value=${one} ?selected=${one === this.reader}>${one}</option>`)}
          </select>
        </label>
        <label class="column-tight">
          <span class="label">${t("ops.filter")}</span>
          <input class="field" type="search" .value=${this.filter} @input=${(event) => this.sift(event.target.value)} />
        </label>
      </div>
      ${table(
        t("ops.sync.queue"),
        ["number", "what", "about", "happened", "tries", ""].map((one) => one && t(`ops.head.${one}`)),
        shown.map((one) => this.entry(one)),
        t("ops.sync.empty"),
      )}
      ${this.waiting.length === PAGE ? html`<p class="quiet">${t("ops.sync.first", { n: PAGE })}</p>` : nothing}
    `;
  }

  entry(one) {
    const open = this.open === one.seq;
    const turn = () => {
      this.open = open ? null : one.seq;
      this.draw();
    };
    return html`<tr>
        <td>${one.seq}</td>
        <td>${one.type ?? t("ops.sync.change")}</td>
        <td>${one.aggregate}</td>
        <td>${when(one.occurred_at)}</td>
        <td>${one.attempts ? html`${number(one.attempts)} ${one.last_error}` : "0"}</td>
        <td><button class="button" aria-expanded=${open ? "true" : "false"} @click=${turn}>${t("ops.show")}</button></td>
      </tr>
      ${open ? html`<tr><td colspan="6">${json({ data: one.data, changes: one.changes })}</td></tr>` : nothing}`;
  }

  choose(reader) {
    this.reader = reader;
    this.again();
  }

  sift(text) {
    this.filter = text;
    this.draw();
  }
}
