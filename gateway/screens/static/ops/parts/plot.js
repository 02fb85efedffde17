import { html } from "lit";
import { day, number, t, time } from "shared/i18n.js";
import uPlot from "uplot";
import { Drawn } from "./drawn.js";

const HEIGHT_PX = 220;
const ROWS_MAX = 60;
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];
const COLOURS = ["--brand", "--amber"];

/** A plot, and the same as a table: a canvas says nothing to who does not see it. `points`: {at, ...}, `series`: their names. */
class OpsPlot extends Drawn {
  static properties = { label: {}, points: {}, hours: {}, series: {}, words: {}, as_table: { state: true } };

  render() {
    return html`
      <div class="row">
        <h2 class="grow">${this.label}</h2>
        <button class="button" aria-pressed=${this.as_table ? "true" : "false"} @click=${() => (this.as_table = !this.as_table)}>
          ${t("ops.sync.as_table")}
        </button>
      </div>
      <div class="ops-plot" ?hidden=${this.as_table} role="img" aria-label=${`${this.label}. ${this.#summary()}`}></div>
      ${this.as_table ? this.#table() : ""}
    `;
  }

  updated() {
    if (this.as_table) return;
    const { place } = this;
    const data = [this.points.map((one) => one.at), ...this.series.map((name) => this.points.map((one) => one[name]))];
    if (this.plot && this.drawn === this.#look()) {
      this.plot.setData(data);
      return;
    }
    this.plot?.destroy();
    this.drawn = this.#look();
    this.plot = new uPlot(this.#options(place), data, place);
    this.keepWidth(HEIGHT_PX);
  }

  /** Another language or theme draws it anew. */
  #look() {
    return `${document.documentElement.lang} ${document.documentElement.dataset.theme} ${this.hours} ${this.points.length < 3} ${this.words}`;
  }

  #options(place) {
    const axis = this.axis();
    return {
      width: place.clientWidth,
      height: HEIGHT_PX,
      cursor: { drag: { x: false, y: false } },
      scales: { x: { range: () => this.#span() }, y: { range: (_plot, _low, high) => [0, Math.max(1, high)] } },
      axes: [{ ...axis, values: (_plot, ticks) => ticks.map((at) => time(at * 1000)) }, { ...axis, size: 60, incrs: WHOLE }],
      series: [
        { label: t("ops.sync.when"), value: (_plot, at) => (at ? `${day(at * 1000)} ${time(at * 1000)}` : "–") },
        ...this.series.map((name, place) => ({
          label: this.words[place],
          stroke: this.colour(COLOURS[place]),
          width: 2,
          dash: place ? [6, 4] : undefined,
          points: { show: this.points.length < 3 },
        })),
      ],
    };
  }

  /** The hours up to now, however few of them were measured. */
  #span() {
    const now = Date.now() / 1000;
    return [now - this.hours * 3600, now];
  }

  #summary() {
    const last = this.points.at(-1);
    if (!last) return t("ops.sync.no_points");
    return this.series.map((name, place) => `${this.words[place]}: ${number(last[name])}`).join(", ");
  }

  #table() {
    const row = (one) => html`<tr>
      <td>${day(one.at * 1000)} ${time(one.at * 1000)}</td>
      ${this.series.map((name) => html`<td class="amount">${number(one[name])}</td>`)}
    </tr>`;
    return html`<div class="ops-scroll" tabindex="0" role="region" aria-label=${this.label}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">${t("ops.sync.when")}</th>
            ${this.words.map((one) => html`<th scope="col" class="amount">${one}</th>`)}
          </tr>
        </thead>
        <tbody>${this.points.slice(-ROWS_MAX).reverse().map(row)}</tbody>
      </table>
    </div>`;
  }
}

customElements.define("ops-plot", OpsPlot);
