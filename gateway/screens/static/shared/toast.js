import { html, nothing, render } from "lit";
import { repeat } from "lit/directives/repeat.js";

const SHOWN_MS = 5_000;
const SHOWN_MAX = 3;

/** Short messages at the lower edge, read out by screen readers. One list for the page; it lives in `place`. */
export class Toasts {
  constructor(place) {
    this.place = place;
    this.shown = [];
    this.count = 0;
    place.classList.add("toasts");
    place.setAttribute("role", "status");
    place.setAttribute("aria-live", "polite");
  }

  /**
   * @param {string} text
   * @param {"" | "green" | "amber" | "red"} [tone]
   * @param {{action?: {label: () => string, run: () => void}, for_ms?: number}} [options]
   * @returns {{text: string, close: () => void, draw: () => void}}
   */
  show(text, tone = "", { action, for_ms = SHOWN_MS } = {}) {
    const toast = { id: ++this.count, text, tone, action, draw: () => this.draw(), close: () => this.close(toast) };
    toast.timer = setTimeout(toast.close, for_ms);
    this.shown.push(toast);
    while (this.shown.length > SHOWN_MAX) this.close(this.shown[0]);
    this.draw();
    return toast;
  }

  close(toast) {
    clearTimeout(toast.timer);
    this.shown = this.shown.filter((one) => one !== toast);
    this.draw();
  }

  draw() {
    const button = (toast) => {
      if (!toast.action) return nothing;
      const run = () => {
        toast.close();
        toast.action.run();
      };
      return html`<button class="button" @click=${run}>${toast.action.label()}</button>`;
    };
    const one = (toast) => html`<div class="toast ${toast.tone}"><span class="grow">${toast.text}</span>${button(toast)}</div>`;
    render(html`${repeat(this.shown, (toast) => toast.id, one)}`, this.place);
  }
}
