import { LitElement } from "lit";

/** What every drawing of uPlot needs: a place, colours of the theme, an end. */
export class Drawn extends LitElement {
  createRenderRoot() {
    return this;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.sized?.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  get place() {
    return this.querySelector(".ops-plot");
  }

  /** As wide as there is room, also later. */
  keepWidth(height) {
    this.sized ??= new ResizeObserver(() => this.plot?.setSize({ width: this.place.clientWidth, height }));
    this.sized.observe(this.place);
  }

  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  axis() {
    const line = this.colour("--border");
    return { stroke: this.colour("--text"), grid: { stroke: line, width: 1 }, ticks: { stroke: line } };
  }
}
