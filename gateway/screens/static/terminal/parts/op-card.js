import { LitElement, html, nothing } from "lit";
import { number, t } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { ICONS, hours, remainingS, sameCard, stateOf, urgency } from "./state.js";

const DOCUMENTS = [
  ["drawing", "pencil"],
  ["pdf", "file-text"],
  ["cnc", "file-code"],
];

/**
 * One operation in a list. It is drawn again only when its own row has changed, however often the list around it is.
 * `today`: the day that decides what is due. `board`: on the wall, where nothing can be tapped.
 */
export class OpCard extends LitElement {
  static properties = {
    card: { attribute: false, hasChanged: (now, before) => !sameCard(now, before) },
    today: { attribute: false },
    language: { attribute: false },
    board: { attribute: false },
  };

  createRenderRoot() {
    return this;
  }

  render() {
    const state = stateOf(this.card);
    const classes = `op-card op-card-${state}`;
    return this.board
      ? html`<div class=${classes}>${this.#inside(state)}</div>`
      : html`<a class=${classes} href="#/operation/${this.card.id}">${this.#inside(state)}</a>`;
  }

  #inside(state) {
    const { card } = this;
    const due = urgency(card, this.today);
    return html`
      <span class="op-card-head">
        <span class="op-card-state">${icon(ICONS[state])} ${t(`card.${state}`)}</span>
        <span class="op-card-tags">
          ${card.rush ? html`<span class="tag tag-rush">${icon("zap")} ${t("card.rush")}</span>` : nothing}
          ${due ? html`<span class="tag tag-${due}">${t(`card.${due}`)}</span>` : nothing}
        </span>
      </span>
      <span class="op-card-what">
        <span class="op-card-names">
          <strong class="op-card-job">${card.job_number} · ${card.part_number}</strong>
          <span class="op-card-name">${card.sequence} ${card.name}</span>
        </span>
        <span class="op-card-count">
          <span class="number">${number(card.good)}</span><span class="op-card-of">/${number(card.planned)}</span>
        </span>
      </span>
      <span class="op-card-foot">
        ${card.waiting ? html`<span class="op-card-waiting">${icon("clock")} ${t("card.waiting")}</span>` : nothing}
        ${state === "held" ? html`<span class="op-card-reason">${card.held.title}</span>` : this.#facts()} ${this.#people()}
      </span>
    `;
  }

  #facts() {
    const { card } = this;
    const kinds = DOCUMENTS.filter(([kind]) => card.documents[kind]);
    return html`
      ${card.status === "completed" ? nothing : html`<span>${t("card.hours", { h: hours(remainingS(card)) })}</span>`}
      ${card.material ? html`<span class="op-card-material">${card.material}</span>` : nothing}
      ${kinds.map(([kind, name]) => icon(name, t(`card.${kind}`)))}
    `;
  }

  #people() {
    const working = this.card.on_it.filter((one) => !one.paused);
    if (!working.length) return nothing;
    return html`<span class="op-card-people">${icon("user")} <span>${working.map((one) => one.name).join(", ")}</span></span>`;
  }
}

customElements.define("op-card", OpCard);
