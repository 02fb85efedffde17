import { html } from "lit";
import { number, t } from "shared/i18n.js";
import uPlot from "uplot";
import { Drawn } from "./drawn.js";

const HEIGHT_PX = 260;

/** Bars, and how much they are of all up to each: `rows` {name, value, cumulative (per cent)}. Its table stands beside it. */
class OpsPareto extends Drawn {
  static properties = { label: {}, rows: {}, words: {} };

  render() {
    const told = this.rows.map((one) => `${one.name}: ${number(one.value)}`).join(", ");
    return html`<div class="ops-plot" role="img" aria-label=${`${this.label}. ${told}`}></div>`;
  }

  updated() {
    const { place } = this;
    this.plot?.destroy();
    const data = [this.rows.map((_one, at) => at), this.rows.map((one) => one.value), this.rows.map((one) => one.cumulative)];
    this.plot = new uPlot(this.#options(place), data, place);
    this.keepWidth(HEIGHT_PX);
  }

  #options(place) {
    const axis = this.axis();
    const names = this.rows.map((one) => one.name);
    return {
      width: place.clientWidth,
      height: HEIGHT_PX,
      cursor: { drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: [-0.6, Math.max(0, names.length - 1) + 0.6] },
        y: { range: (_plot, _low, high) => [0, Math.max(1, high)] },
        share: { range: [0, 100] },
      },
      axes: [
        { ...axis, grid: { show: false }, splits: () => names.map((_one, at) => at), values: () => names },
        { ...axis, size: 60 },
        { ...axis, side: 1, scale: "share", grid: { show: false }, values: (_plot, ticks) => ticks.map((tick) => `${tick} %`) },
      ],
      series: [
        { label: t("reports.reason"), value: (_plot, at) => names[at] ?? "–" },
        {
          label: this.words[0],
          stroke: this.colour("--brand"),
          fill: this.colour("--brand"),
          paths: uPlot.paths.bars({ size: [0.7, 80] }),
          points: { show: false },
        },
        { label: this.words[1], scale: "share", stroke: this.colour("--amber"), width: 2, dash: [6, 4] },
      ],
    };
  }
}

customElements.define("ops-pareto", OpsPareto);
