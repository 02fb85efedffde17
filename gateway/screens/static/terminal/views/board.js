import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { language, number, t } from "shared/i18n.js";
import "../parts/op-card.js";
import { SECTIONS, dayOf, hours, inOrder, left, remainingS, stateOf } from "../parts/state.js";
import { View } from "../parts/view.js";

// Nobody scrolls a wall: as many are shown as have room, as high as the largest letters make them.
const AROUND_PX = 200;
const CARD_PX = 172;

/** The work of a cell for everybody who looks up: nothing to tap, nobody signed in. */
class BoardView extends View {
  render() {
    const { store, clock } = this.app;
    const today = dayOf(new Date(clock.now()));
    const cards = store.operations().filter((card) => stateOf(card) !== "done").sort(inOrder);
    return html`<div class="board">
      ${Object.entries(SECTIONS).map(([name, states]) => this.#column(name, cards.filter((card) => states.includes(stateOf(card))), today))}
    </div>`;
  }

  #column(name, cards, today) {
    const sum = (value) => cards.reduce((total, card) => total + value(card), 0);
    const room = Math.max(1, Math.floor((window.innerHeight - AROUND_PX) / CARD_PX));
    const more = cards.length - room;
    return html`<section class="board-column" aria-labelledby="board-${name}">
      <h2 id="board-${name}" class="board-head">${t(`queue.${name}`)} <span class="number">${number(cards.length)}</span></h2>
      <p class="quiet">${t("queue.sums", { h: hours(sum(remainingS)), n: sum(left) })}</p>
      <ul class="board-cards">
        ${repeat(
          cards.slice(0, room),
          (card) => card.id,
          (card) => html`<li><op-card .board=${true} .card=${card} .today=${today} .language=${this.language}></op-card></li>`,
        )}
      </ul>
      ${more > 0 ? html`<p class="quiet">${t("board.more", { n: more })}</p>` : nothing}
    </section>`;
  }
}

customElements.define("board-view", BoardView);

export const render = (app) => html`<board-view .app=${app} .language=${language()}></board-view>`;

export const header = (app) => {
  const cell = app.store.cells.find((one) => one.id === app.store.cell);
  return html`<h1 class="grow header-title">${cell?.name ?? t("queue.every_cell")}</h1>`;
};
