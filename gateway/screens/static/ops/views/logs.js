import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { icon } from "shared/icon.js";
import { t, time } from "shared/i18n.js";
import { Live } from "../core/live.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { choice, input, values } from "../parts/ask.js";
import { table } from "../parts/table.js";

const LEVELS = ["debug", "info", "warning", "error"];
const KEPT_MAX = 500;
const MINUTES = 30;
const BESIDE = ["timestamp", "level", "event", "module"];
const TONES = { warning: "tone-amber", error: "tone-red", critical: "tone-red" };

/** What the gateway says, as it says it, and what people did on this page. */
export default class Logs extends View {
  wanted = { level: "info", module: "", request_id: "" };
  halted = false;

  async read() {
    const [log, actions] = await Promise.all([this.app.verb("logs.show", { limit: 1 }), this.app.verb("ops.actions")]);
    Object.assign(this, { level: log.level, configured: log.configured, actions });
    if (!this.live) this.follow();
  }

  leave() {
    super.leave();
    this.live?.end();
  }

  follow() {
    this.live?.end();
    this.records = [];
    this.live = new Live(`/ops/api/logs?${new URLSearchParams(this.wanted)}`, { record: (one) => this.take(one) });
  }

  take(record) {
    if (this.halted) return;
    this.records = [{ ...record, number: (this.count = (this.count ?? 0) + 1) }, ...this.records].slice(0, KEPT_MAX);
    this.draw();
  }

  sift(event) {
    event.preventDefault();
    this.wanted = values(event.target);
    this.follow();
    this.draw();
  }

  set_level(level) {
    return this.act(() => this.app.verb("logs.level", { level, minutes: MINUTES }), t("ops.logs.level_set", { level, n: MINUTES }));
  }

  save() {
    const lines = [...this.records].reverse().map(({ number: _number, ...one }) => JSON.stringify(one));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n")], { type: "application/x-ndjson" }));
    link.download = "gateway-log.ndjson";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  draw_it() {
    const halt = () => {
      this.halted = !this.halted;
      this.draw();
    };
    return html`
      <form class="ops-fields" @submit=${(event) => this.sift(event)}>
        ${choice("level", t("ops.logs.level"), LEVELS, { value: this.wanted.level })}
        ${input("module", t("ops.logs.module"), { value: this.wanted.module })}
        ${input("request_id", t("ops.logs.request"), { value: this.wanted.request_id })}
        <button class="button">${icon("filter")} ${t("ops.logs.show")}</button>
      </form>
      <div class="row">
        <button class="button" aria-pressed=${this.halted ? "true" : "false"} @click=${halt}>
          ${icon(this.halted ? "play" : "pause")} ${t(this.halted ? "ops.go_on" : "ops.halt")}
        </button>
        <button class="button" @click=${() => this.save()}>${icon("download")} ${t("ops.logs.save")}</button>
        <span class="grow"></span>
        <span>${t("ops.logs.level_now", { level: this.level, configured: this.configured, n: MINUTES })}</span>
        ${LEVELS.filter((one) => one !== this.level).map(
          (one) => html`<button class="button" @click=${() => this.set_level(one)}>${t("ops.logs.level_for", { level: one })}</button>`,
        )}
      </div>
      <ul class="ops-log" id="records" tabindex="0" aria-label=${t("ops.menu_logs")}>
        ${repeat(this.records, (one) => one.number, (one) => this.record(one))}
      </ul>
      <h2>${t("ops.logs.actions")}</h2>
      ${this.done()}
    `;
  }

  record(one) {
    const more = Object.entries(one).filter(([name]) => !BESIDE.includes(name) && name !== "number");
    return html`<li class="ops-mono">
      ${one.timestamp ? time(one.timestamp) : ""} <strong class=${TONES[one.level] ?? "tone-grey"}>${one.level}</strong>
      ${one.module} <strong>${one.event}</strong> ${more.map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ")}
    </li>`;
  }

  done() {
    const rows = this.actions.map(
      (one) => html`<tr>
        <td>${when(one.created_at)}</td>
        <td>${one.who}${one.source ? html`<br /><span class="quiet">${one.source}</span>` : nothing}</td>
        <td>${one.action}</td>
        <td class="ops-mono">${JSON.stringify(one.detail)}</td>
        <td>${one.status}</td>
      </tr>`,
    );
    const heads = ["happened", "who", "what", "with", "answer"].map((one) => t(`ops.head.${one}`));
    return table(t("ops.logs.actions"), heads, rows, t("ops.logs.no_actions"));
  }
}
