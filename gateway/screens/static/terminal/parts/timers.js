import { LitElement, html } from "lit";
import { language, t } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { resume } from "./blockers.js";
import { ICONS, clockOf, elapsedS, stateOf, timerOf } from "./state.js";

const TICK_MS = 1000;
const CHIPS_MAX = 3;

/** My timers, at the bottom of every screen. The seconds tick here, so that nothing else is drawn for them. */
export class TimerBar extends LitElement {
  static properties = { app: { attribute: false }, language: { attribute: false } };

  #ticking = 0;

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.app.store.addEventListener("change", this);
    this.#ticking = setInterval(() => this.requestUpdate(), TICK_MS);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.app.store.removeEventListener("change", this);
    clearInterval(this.#ticking);
  }

  handleEvent() {
    this.requestUpdate();
  }

  render() {
    const { store } = this.app;
    const me = store.session?.operator_id;
    const timers = me ? timersOf(store.operations(), me) : [];
    if (!timers.length) {
      return html`<p class="timers-none">${icon("clock")} ${t(me ? "timers.none" : "timers.nobody")}</p>`;
    }
    const [first, ...rest] = timers;
    return html`<ul class="timers" aria-label=${t("timers.label")}>
      ${this.#whole(first, me)} ${rest.slice(0, CHIPS_MAX).map((card) => this.#chip(card, me))}
    </ul>`;
  }

  #whole(card, me) {
    const paused = stateOf(card) !== "running" || timerOf(card, me).paused;
    return html`<li class="timer">
      <span class="timer-clock number ${paused ? "timer-paused" : ""}" role="timer" aria-live="off">${this.#elapsed(card, me)}</span>
      <a class="timer-what" href="#/operation/${card.id}">
        <strong>${card.job_number} · ${card.part_number}</strong><span>${card.sequence} ${card.name}</span>
      </a>
      ${paused ? this.#resume(card) : this.#pause(card)}
      <a class="button" href="#/quantity/${card.id}">${icon("plus")}<span>${t("timers.report")}</span></a>
      <a class="button" href="#/quantity/${card.id}/finish">${icon("check")}<span>${t("timers.finish")}</span></a>
    </li>`;
  }

  #pause(card) {
    return html`<button type="button" class="button" @click=${() => this.app.act({ type: "pause", operation_id: card.id, payload: {} })}>
      ${icon("pause")}<span>${t("timers.pause")}</span>
    </button>`;
  }

  #resume(card) {
    const held = stateOf(card) === "held";
    return html`<button
      type="button"
      class="button"
      ?disabled=${held}
      @click=${() => resume(this.app, card)}
    >
      ${icon("play")}<span>${t("timers.resume")}</span>
    </button>`;
  }

  #chip(card, me) {
    return html`<li class="timer-chip">
      <a class="button" href="#/operation/${card.id}">
        ${icon(ICONS[stateOf(card)])}<span>${card.job_number} · ${card.sequence}</span><span>${this.#elapsed(card, me)}</span>
      </a>
    </li>`;
  }

  #elapsed(card, me) {
    return clockOf(elapsedS(timerOf(card, me), this.app.clock.now()));
  }
}

/** The running ones first, then the paused ones; the latest first among each. */
export function timersOf(cards, me) {
  const timers = cards.filter((card) => timerOf(card, me) && stateOf(card) !== "done");
  return timers.sort(
    (a, b) =>
      Number(timerOf(a, me).paused) - Number(timerOf(b, me).paused) ||
      timerOf(b, me).since.localeCompare(timerOf(a, me).since),
  );
}

customElements.define("timer-bar", TimerBar);

export const render = (app) => html`<timer-bar .app=${app} .language=${language()}></timer-bar>`;
