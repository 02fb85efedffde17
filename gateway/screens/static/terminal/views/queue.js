import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { language, number, t } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import "../parts/op-card.js";
import { SECTIONS, dayOf, hours, inOrder, left, remainingS, stateOf, timerOf, urgency } from "../parts/state.js";
import { View } from "../parts/view.js";

const NEXT_SHOWN = 5;

const FILTERS = {
  mine: { icon: "user", keeps: (card, { me }) => Boolean(timerOf(card, me)) },
  today: { icon: "calendar", keeps: (card, { today }) => ["today", "overdue"].includes(urgency(card, today)) },
  rush: { icon: "zap", keeps: (card) => card.rush },
};
const SEARCHED = ["job_number", "part_number", "part_name", "name", "customer", "material"];

/** The work of a cell, in the order in which it is to be done. */
class QueueView extends View {
  static properties = { filters: { state: true }, text: { state: true }, every: { state: true } };

  constructor() {
    super();
    this.filters = new Set();
    this.text = "";
    this.every = false;
  }

  render() {
    const { store, clock } = this.app;
    const today = dayOf(new Date(clock.now()));
    const about = { me: store.session?.operator_id, today };
    const all = store.operations();
    const shown = all.filter((card) => stateOf(card) !== "done" && this.#keeps(card, about)).sort(inOrder);
    return html`
      <div class="queue">
        ${this.#tools()} ${shown.length ? this.#sections(shown, today) : this.#empty(all)}
      </div>
    `;
  }

  #keeps(card, about) {
    if (![...this.filters].every((name) => FILTERS[name].keeps(card, about))) return false;
    return !this.text || SEARCHED.some((name) => String(card[name] ?? "").toLowerCase().includes(this.text));
  }

  #tools() {
    return html`<div class="queue-tools" role="search">
      <input
        class="field queue-search"
        type="search"
        .value=${this.text}
        placeholder=${t("queue.search")}
        aria-label=${t("queue.search")}
        @input=${({ target }) => (this.text = target.value.trim().toLowerCase())}
      />
      ${Object.entries(FILTERS).map(
        ([name, filter]) => html`<button
          type="button"
          class="button"
          aria-pressed=${this.filters.has(name)}
          @click=${() => this.#toggle(name)}
        >
          ${icon(filter.icon)} <span>${t(`queue.${name}`)}</span>
        </button>`,
      )}
    </div>`;
  }

  #toggle(name) {
    this.filters = new Set(this.filters);
    if (!this.filters.delete(name)) this.filters.add(name);
  }

  #sections(cards, today) {
    return Object.entries(SECTIONS).map(([name, states]) => {
      const own = cards.filter((card) => states.includes(stateOf(card)));
      return own.length ? this.#section(name, own, today) : nothing;
    });
  }

  #section(name, cards, today) {
    const fold = name === "next" && !this.every && cards.length > NEXT_SHOWN;
    const shown = fold ? cards.slice(0, NEXT_SHOWN) : cards;
    const sum = (value) => cards.reduce((total, card) => total + value(card), 0);
    return html`<section class="queue-section" aria-labelledby="queue-${name}">
      <header class="queue-head">
        <h2 id="queue-${name}">${t(`queue.${name}`)} <span class="queue-n">${number(cards.length)}</span></h2>
        <span class="quiet">${t("queue.sums", { h: hours(sum(remainingS)), n: sum(left) })}</span>
      </header>
      <ul class="cards">
        ${repeat(
          shown,
          (card) => card.id,
          (card) => html`<li><op-card .card=${card} .today=${today} .language=${this.language}></op-card></li>`,
        )}
      </ul>
      ${fold
        ? html`<button type="button" class="button queue-more" @click=${() => (this.every = true)}>
            ${icon("chevron-down")} <span>${t("queue.more", { n: cards.length - NEXT_SHOWN })}</span>
          </button>`
        : nothing}
    </section>`;
  }

  /** Why there is nothing: a filter, work that is all done, or none released. */
  #empty(all) {
    const { store } = this.app;
    const filtered = this.text || this.filters.size;
    const cell = store.cells.find((one) => one.id === store.cell)?.name ?? t("queue.all_cells");
    const why = filtered ? "filtered" : all.length ? "all_done" : "nothing";
    const forget = () => Object.assign(this, { filters: new Set(), text: "" });
    return html`<div class="empty">
      <p>${t(`queue.empty_${why}`, { cell })}</p>
      ${filtered ? html`<button type="button" class="button" @click=${forget}>${icon("x")} <span>${t("queue.clear")}</span></button>` : nothing}
    </div>`;
  }
}

customElements.define("queue-view", QueueView);

export const render = (app) => html`<queue-view .app=${app} .language=${language()}></queue-view>`;

/** Whose work is shown: another cell is one tap away, and remembered. */
export const header = (app) => html`
  <h1 class="hidden-visually">${t("queue.title")}</h1>
  <label class="cell-choice grow">
    <span class="hidden-visually">${t("queue.cell")}</span>
    <select class="select" @change=${({ target }) => app.store.show(target.value)}>
      <option value="all" ?selected=${app.store.cell === "all"}>${t("queue.every_cell")}</option>
      ${app.store.cells.map((cell) => html`<option value=${cell.id} ?selected=${app.store.cell === cell.id}>${cell.name}</option>`)}
    </select>
  </label>
`;
