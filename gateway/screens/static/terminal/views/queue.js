import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { language, number, t } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { Ahead } from "../parts/ahead.js";
import "../parts/op-card.js";
import { SECTIONS, dayOf, hours, inOrder, left, remainingS, stateOf, timerOf, urgency } from "../parts/state.js";
import { View } from "../parts/view.js";

const NEXT_SHOWN = 5;
// Cards are drawn as far as somebody has scrolled, and a screen or two beyond: the list is there at once, however long it is.
const ROOM = 36;
const AHEAD = "1500px";

const FILTERS = {
  mine: { icon: "user", keeps: (card, { me }) => Boolean(timerOf(card, me)) },
  today: { icon: "calendar", keeps: (card, { today }) => ["today", "overdue"].includes(urgency(card, today)) },
  rush: { icon: "zap", keeps: (card) => card.rush },
};
const SEARCHED = ["job_number", "part_number", "part_name", "name", "customer", "material"];

const fresh = () => ({ filters: new Set(), text: "", every: false });

/** What somebody looks for stays when he comes back from an operation, and goes with him. What was read ahead stays for all. */
const kept = { of: null, ahead: null, ...fresh() };

/** The work of a cell, in the order in which it is to be done. */
class QueueView extends View {
  #room = ROOM;
  #end = null;

  connectedCallback() {
    super.connectedCallback();
    kept.ahead ??= new Ahead(this.app);
    this.#end = new IntersectionObserver((seen) => this.#nearEnd(seen), { root: this.closest("main"), rootMargin: AHEAD });
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#end.disconnect();
    kept.ahead.stop();
  }

  updated() {
    const end = this.isConnected && this.querySelector(".queue-end");
    if (end) this.#end.observe(end);
  }

  #nearEnd(seen) {
    if (!seen.some((one) => one.isIntersecting)) return;
    this.#room += ROOM;
    this.#end.disconnect(); // and looks again, once there is more
    this.requestUpdate();
  }

  willUpdate() {
    const of = this.app.store.session?.operator_id ?? null;
    if (kept.of !== of) Object.assign(kept, fresh(), { of });
  }

  /** Something else is looked for: from the top again. */
  #keep(changed) {
    Object.assign(kept, changed);
    this.#room = ROOM;
    this.requestUpdate();
  }

  render() {
    const { store, clock } = this.app;
    const today = dayOf(new Date(clock.now()));
    const about = { me: store.session?.operator_id, today };
    const all = store.operations();
    const shown = all.filter((card) => stateOf(card) !== "done" && this.#keeps(card, about)).sort(inOrder);
    kept.ahead.look(shown);
    return html`
      <div class="queue">
        ${this.#tools()} ${shown.length ? this.#sections(shown, today) : this.#empty(all)}
      </div>
    `;
  }

  #keeps(card, about) {
    if (![...kept.filters].every((name) => FILTERS[name].keeps(card, about))) return false;
    const wanted = kept.text.trim().toLowerCase();
    return !wanted || SEARCHED.some((name) => String(card[name] ?? "").toLowerCase().includes(wanted));
  }

  #tools() {
    return html`<div class="queue-tools" role="search">
      <input
        class="field queue-search"
        type="search"
        .value=${kept.text}
        placeholder=${t("queue.search")}
        aria-label=${t("queue.search")}
        @input=${({ target }) => this.#keep({ text: target.value })}
      />
      ${Object.entries(FILTERS).map(
        ([name, filter]) => html`<button
          type="button"
          class="button"
          aria-pressed=${kept.filters.has(name)}
          @click=${() => this.#toggle(name)}
        >
          ${icon(filter.icon)} <span>${t(`queue.${name}`)}</span>
        </button>`,
      )}
    </div>`;
  }

  #toggle(name) {
    const filters = new Set(kept.filters);
    if (!filters.delete(name)) filters.add(name);
    this.#keep({ filters });
  }

  #sections(cards, today) {
    let room = this.#room;
    let cut = false;
    const drawn = Object.entries(SECTIONS).map(([name, states]) => {
      const own = cards.filter((card) => states.includes(stateOf(card)));
      const unfolded = name !== "next" || kept.every || own.length <= NEXT_SHOWN;
      const wanted = unfolded ? own : own.slice(0, NEXT_SHOWN);
      const shown = wanted.slice(0, Math.max(0, room));
      room -= shown.length;
      cut ||= shown.length < wanted.length;
      return shown.length ? this.#section(name, own, shown, unfolded, today) : nothing;
    });
    return html`${drawn}${cut ? html`<div class="queue-end"></div>` : nothing}`;
  }

  #section(name, cards, shown, unfolded, today) {
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
      ${unfolded
        ? nothing
        : html`<button type="button" class="button queue-more" @click=${() => this.#keep({ every: true })}>
            ${icon("chevron-down")} <span>${t("queue.more", { n: cards.length - NEXT_SHOWN })}</span>
          </button>`}
    </section>`;
  }

  /** Why there is nothing: a filter, work that is all done, or none released. */
  #empty(all) {
    const { store } = this.app;
    const filtered = kept.text.trim() || kept.filters.size;
    const cell = store.cells.find((one) => one.id === store.cell)?.name ?? t("queue.all_cells");
    const why = filtered ? "filtered" : all.length ? "all_done" : "nothing";
    return html`<div class="empty">
      <p>${t(`queue.empty_${why}`, { cell })}</p>
      ${filtered ? html`<button type="button" class="button" @click=${() => this.#keep(fresh())}>${icon("x")} <span>${t("queue.clear")}</span></button>` : nothing}
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
      <option value="all" .selected=${app.store.cell === "all"}>${t("queue.every_cell")}</option>
      ${app.store.cells.map((cell) => html`<option value=${cell.id} .selected=${app.store.cell === cell.id}>${cell.name}</option>`)}
    </select>
  </label>
`;
