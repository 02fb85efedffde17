import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { language, number, span, t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import "../parts/pareto.js";
import { table } from "../parts/table.js";

const SHIFT_H = 8;
const HOUR_MS = 3_600_000;
const DAYS = [7, 30, 90];
const AMOUNTS = "worked setup operations planned good scrap rework pieces share summed lasted hours_there hours_needed open running".split(" ");

/** What people print or put on a wall: the shift, what became scrap and why, how much the cells have to do. */
export default class Reports extends View {
  every_ms = 60_000;
  cell = "";
  days = 30;
  until = null; // null: now
  hours = SHIFT_H;

  async read() {
    const asked = new URLSearchParams(this.period());
    if (this.cell) asked.set("cell_id", this.cell);
    this.asked = asked;
    const [{ shift }, { scrap }, { load }, { cells }] = await Promise.all([
      this.app.fn("GET", `/api-reports/shift?${asked}`),
      this.app.fn("GET", `/api-reports/scrap?days=${this.days}`),
      this.app.fn("GET", "/api-reports/load"),
      this.app.fn("GET", "/api-cells?limit=1000&sort=sequence&order=asc"),
    ]);
    Object.assign(this, { shift, scrap, load, cells });
  }

  period() {
    const until = this.until ?? new Date();
    return { since: new Date(until - this.hours * HOUR_MS).toISOString(), until: until.toISOString() };
  }

  draw_it() {
    return html`
      <section class="report">
        <h2>${t("reports.shift")} – ${this.shift.cell ?? t("reports.all_cells")}</h2>
        <p>${when(this.shift.since)} – ${when(this.shift.until)}</p>
        ${this.choice()} ${this.sums()} ${this.people()} ${this.made()} ${this.reasons(this.shift.scrap, t("reports.scrap_of_shift"))}
        ${this.stops()}
      </section>
      <section class="report">
        <div class="row">
          <h2 class="grow">${t("reports.pareto")}</h2>
          <span class="row no-print">
            ${DAYS.map(
              (one) => html`<button class="button" aria-pressed=${one === this.days ? "true" : "false"} @click=${() => this.choose({ days: one })}>
                ${t("reports.days", { n: one })}
              </button>`,
            )}
          </span>
        </div>
        ${this.scrap.data.length ? this.pareto() : nothing} ${this.reasons(this.scrap.data, t("reports.pareto"), false)}
      </section>
      <section class="report">
        <h2>${t("reports.load")}</h2>
        ${this.loads()}
      </section>
    `;
  }

  choice() {
    const local = (at) => new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    return html`<div class="ops-fields no-print">
      <label class="column-tight">
        <span class="label">${t("reports.cell")}</span>
        <select class="select" @change=${(event) => this.choose({ cell: event.target.value })}>
          <option value="" ?selected=${!this.cell}>${t("reports.all_cells")}</option>
          ${this.cells.map((one) => html`<option value=${one.id} ?selected=${one.id === this.cell}>${one.name}</option>`)}
        </select>
      </label>
      <label class="column-tight">
        <span class="label">${t("reports.until")}</span>
        <input
          class="field"
          type="datetime-local"
          .value=${local(this.until ?? new Date(this.shift.until))}
          @change=${(event) => this.choose({ until: event.target.value ? new Date(event.target.value) : null })}
        />
      </label>
      <label class="column-tight">
        <span class="label">${t("reports.hours")}</span>
        <input
          class="field"
          type="number"
          min="1"
          max="168"
          .value=${String(this.hours)}
          @change=${(event) => this.choose({ hours: Math.min(168, Math.max(1, Number(event.target.value) || SHIFT_H)) })}
        />
      </label>
      <button class="button" @click=${() => print()}>${icon("file-text")} ${t("reports.print")}</button>
      <a class="button" href=${`/ops/api/shift.pdf?${this.asked}&language=${language()}`} target="_blank" rel="noopener">
        ${icon("download")} PDF
      </a>
    </div>`;
  }

  sums() {
    const { pieces, operations, worked_s } = this.shift;
    const shown = [
      ["worked", span(worked_s)],
      ["good", number(pieces.good)],
      ["scrap", number(pieces.scrap)],
      ["rework", number(pieces.rework)],
      ["yield", `${number(pieces.yield_percent)} %`],
      ["finished", number(operations.completed)],
      ["running", number(operations.running)],
    ];
    return html`<div class="ops-cards">
      ${shown.map(([name, value]) => html`<div class="card"><span class="quiet">${t(`reports.${name}`)}</span><strong class="number">${value}</strong></div>`)}
    </div>`;
  }

  people() {
    const rows = this.shift.people.map(
      (one) => html`<tr>
        <td>${one.operator}</td>
        <td class="amount">${span(one.worked_s)}</td>
        <td class="amount">${span(one.setup_s)}</td>
        <td class="amount">${number(one.operations)}</td>
        <td>${one.running ? t("reports.working_now") : ""}</td>
      </tr>`,
    );
    return this.part("people", ["operator", "worked", "setup", "operations", "now"], rows);
  }

  made() {
    const rows = this.shift.made.map(
      (one) => html`<tr>
        <td>${one.cell}</td>
        <td>${one.job_number}</td>
        <td>${one.part_number}</td>
        <td>${one.operation_name}</td>
        <td class="amount">${number(one.planned)}</td>
        <td class="amount">${number(one.good)}</td>
        <td class="amount">${number(one.scrap)}</td>
        <td class="amount">${number(one.rework)}</td>
        <td class="amount">${span(one.worked_s)}</td>
      </tr>`,
    );
    return this.part("made", ["cell", "job", "part", "operation", "planned", "good", "scrap", "rework", "worked"], rows);
  }

  reasons(found, label, headed = true) {
    const rows = found.map(
      (one) => html`<tr>
        <td>${one.code}</td>
        <td>${one.description}</td>
        <td class="amount">${number(one.quantity)}</td>
        <td class="amount">${number(one.percentage)} %</td>
        <td class="amount">${number(one.cumulative_percentage)} %</td>
      </tr>`,
    );
    return listed(label, headed, ["reason", "what", "pieces", "share", "summed"], rows, t("reports.no_scrap"));
  }

  pareto() {
    const rows = this.scrap.data.map((one) => ({ name: one.code, value: one.quantity, cumulative: one.cumulative_percentage }));
    return html`<ops-pareto .label=${t("reports.pareto")} .rows=${rows} .words=${[t("reports.pieces"), t("reports.summed")]}></ops-pareto>`;
  }

  stops() {
    const rows = this.shift.stops.map(
      (one) => html`<tr>
        <td>${one.title}</td>
        <td>${one.cell}</td>
        <td>${one.job_number} ${one.part_number}</td>
        <td>${when(one.since)}</td>
        <td>${one.until ? when(one.until) : t("reports.stands")}</td>
        <td class="amount">${span(one.lasted_s)}</td>
      </tr>`,
    );
    return this.part("stops", ["what", "cell", "job", "from", "to", "lasted"], rows);
  }

  loads() {
    const rows = this.load.cells.map(
      (one) => html`<tr>
        <td>${one.cell_name}</td>
        <td class="amount">${number(one.capacity.hours)}</td>
        <td class="amount">${number(one.capacity.needed_hours)}</td>
        <td class="amount">
          <meter min="0" max="100" high="100" .value=${Math.min(100, one.capacity.utilization_percent ?? 0)} aria-label=${one.cell_name}></meter>
          ${one.capacity.utilization_percent === null ? "–" : `${number(one.capacity.utilization_percent)} %`}
        </td>
        <td class="amount">${number(one.operations.open)}</td>
        <td class="amount">${number(one.operations.in_progress)}</td>
        <td>${one.warnings.overloaded ? html`${icon("triangle-alert")} ${t("reports.overloaded")}` : ""}</td>
      </tr>`,
    );
    return listed(t("reports.load"), false, ["cell", "hours_there", "hours_needed", "share", "open", "running", "note"], rows, t("reports.no_cells"));
  }

  part(name, columns, rows) {
    return listed(t(`reports.${name}`), true, columns, rows, t("reports.nothing"));
  }

  choose(given) {
    Object.assign(this, given);
    this.again();
  }
}

/** A table with or without its heading: the plot or the section above may have it already. */
function listed(label, headed, columns, rows, empty) {
  const amounts = columns.flatMap((one, at) => (AMOUNTS.includes(one) ? [at] : []));
  const heads = columns.map((one) => t(`reports.${one}`));
  return html`${headed ? html`<h3>${label}</h3>` : nothing} ${table(label, heads, rows, empty, amounts)}`;
}
