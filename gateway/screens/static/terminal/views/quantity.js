import { html, nothing } from "lit";
import { language, number, t } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { ask, askWords } from "../parts/ask.js";
import { BATCH, SINGLE, batchOrSingle, othersConfirmed } from "../parts/batch.js";
import { CORRECT } from "../parts/belongings.js";
import { Detail } from "../parts/detail.js";
import { head, toOperation } from "../parts/head.js";
import "../parts/keypad.js";
import { left, produced, runsAsBatch, stateOf, unitOf } from "../parts/state.js";
import * as tally from "../parts/tally.js";
import { View } from "../parts/view.js";

const REASON_TILES_MAX = 12;
const UNDO_S = 8;
const FINISH = "finish";
const REPORT = "report";
const NOTHING = { good: 0, scrap: 0, rework: 0 };

/**
 * Good, scrap and rework on a big keypad: reported alone, as a part of Finish, or put right by a supervisor.
 * `mode`: "report", "finish", or "correct-" with the id of what was booked.
 */
class QuantityView extends View {
  static properties = { operationId: { attribute: false }, mode: { attribute: false }, counted: { state: true }, every: { state: true } };

  #opened = "";
  #detail = new Detail(this);

  willUpdate() {
    const card = this.app.store.operation(this.operationId);
    const asked = `${this.operationId} ${this.mode}`;
    if (!card || this.#opened === asked) return;
    const before = this.#correcting && this.#before(card);
    if (this.#correcting && !before) return; // it is being read
    this.#opened = asked;
    this.every = false;
    const { changing } = this.app;
    if (before) this.counted = tally.again({ good: before.good, rework: before.rework });
    else if (changing?.operation_id === this.operationId && changing.payload.scrap) this.counted = tally.again(changing.payload);
    else this.counted = tally.empty(this.#finishing ? left(card) : 0); // who finishes has usually made what was planned
  }

  get #finishing() {
    return this.mode === FINISH;
  }

  get #correcting() {
    return this.mode.startsWith(CORRECT);
  }

  /** What stands booked and is put right: nothing of it is counted beside what takes its place. */
  #before(card) {
    if (!this.#correcting) return NOTHING;
    return this.#detail.of(card)?.quantities.find((one) => CORRECT + one.id === this.mode);
  }

  /** Scrap that is left as it was booked, reasons and all, until somebody chooses a reason. */
  #scrap(card) {
    const untouched = this.#correcting && Object.keys(this.counted.scrap).length === 0;
    return untouched ? (this.#before(card)?.scrap ?? 0) : tally.scrapOf(this.counted);
  }

  render() {
    const { app } = this;
    const card = app.store.operation(this.operationId);
    if (!card) return html`<p class="empty">${t("operation.unknown")}</p>`;
    if (!this.counted) return html`<p class="quiet">${t(this.#detail.failed ? "operation.not_here" : "operation.loading")}</p>`;
    return html`
      <section class="quantity ${this.counted.field === "scrap" && this.counted.reason ? "quantity-reason" : ""}">
        <div class="quantity-fields">
          ${tally.FIELDS.map((field) => this.#field(card, field))} ${this.#against(card)} ${this.#confirm(card)}
        </div>
        <div class="quantity-pad">${this.#pad(card)}</div>
      </section>
    `;
  }

  #field(card, field) {
    const value = field === "scrap" ? this.#scrap(card) : this.counted[field];
    return html`<button
      type="button"
      class="tile count count-${field}"
      aria-pressed=${this.counted.field === field}
      @click=${() => this.#choose(field)}
    >
      <span class="count-name">${t(`quantity.${field}`)}</span><span class="number">${number(value)}</span>
    </button>`;
  }

  because(reason_id) {
    this.counted = tally.because(this.counted, reason_id);
  }

  #choose(field) {
    this.counted = tally.choose(this.counted, field);
    this.every = false;
  }

  /** What has been made with it, against the plan: of good pieces it wants so many. */
  #against(card) {
    const { good, made } = this.#after(card);
    const tone = good > card.planned ? "over" : made < card.planned ? "under" : "full";
    return html`<p class="against against-${tone}" role="status">
      ${t("quantity.against", { good, planned: card.planned, unit: unitOf(card) })}
      ${made > good ? html`<span class="tone-orange">${t("quantity.bad", { n: made - good })}</span>` : nothing}
    </p>`;
  }

  #after(card) {
    const before = this.#before(card) ?? NOTHING; // gone, when somebody else has deleted it
    const counted = this.counted.good + this.counted.rework + this.#scrap(card);
    return { good: card.good - before.good + this.counted.good, made: produced(card) - produced(before) + counted };
  }

  #left(card) {
    return Math.max(0, card.planned - this.#after(card).made);
  }

  #confirm(card) {
    const empty = this.mode === REPORT && tally.totalOf(this.counted) === 0;
    const [name] = this.mode.split("-");
    return html`<button type="button" class="button primary wide" ?disabled=${empty} @click=${() => this.#send(card)}>
      ${icon("check")} ${t(`quantity.${name}`)}
    </button>`;
  }

  async #send(card) {
    const payload = tally.payloadOf(this.counted);
    const { good, made } = this.#after(card);
    const { planned } = card;
    const unit = unitOf(card);
    const confirmed = [];
    const choice = this.#finishing && runsAsBatch(card) ? await batchOrSingle("finish", card) : SINGLE;
    if (!choice) return;
    if (good > planned) {
      const text = t("quantity.over_text", { good, planned, unit, n: good - planned });
      if (!(await ask({ title: t("quantity.over_title"), text, choices: [{ value: true, label: t("quantity.over_yes"), primary: true }] }))) return;
      confirmed.push("over_plan");
    }
    if (this.#correcting) return this.#correct(card, payload);
    if (!this.#finishing) return this.#done("report", card, payload);
    if (good < planned) {
      // Scrap and rework have told why already: only what nobody made is asked about.
      const chosen = made < planned ? await this.#under({ made, planned, unit, n: planned - made }) : "finish";
      if (chosen === "partial") return this.#partial(card, payload);
      if (chosen === "shortfall") return this.#shortfall(card, payload);
      if (chosen !== "finish") return;
      confirmed.push("under_plan");
    }
    if (choice === BATCH) return this.#together(card, payload, confirmed);
    this.#done("finish", card, { ...payload, confirmed });
  }

  /** The whole batch ends; what is counted here belongs to this operation. */
  async #together(card, payload, confirmed) {
    const rest = await othersConfirmed(this.app.store.operations(), card);
    if (rest) this.#done("finish", card, { ...payload, batch: true, confirmed: [...new Set([...confirmed, ...rest])] }, card.batch.number);
  }

  #under(after) {
    return ask({
      title: t("quantity.under_title"),
      text: t("quantity.under_text", after),
      list: true,
      choices: ["shortfall", "partial", "finish"].map((value) => ({ value, label: t(`quantity.under_${value}`) })),
    });
  }

  /** What was made is reported and the timer stops; the operation stays open for the rest. */
  async #partial(card, payload) {
    if (tally.totalOf(this.counted)) await this.app.act({ type: "report", operation_id: card.id, payload });
    if (stateOf(card) === "running") await this.app.act({ type: "pause", operation_id: card.id, payload: {} });
    this.app.go("#/queue");
  }

  /** The pieces are reported first; what is missing becomes the text of an issue. */
  async #shortfall(card, payload) {
    if (tally.totalOf(this.counted)) await this.app.act({ type: "report", operation_id: card.id, payload });
    this.app.go(`#/issue/${card.id}/shortfall`);
  }

  /** With a reason; what was booked stays with it. */
  async #correct(card, { good, rework, scrap }) {
    const { session } = this.app.store;
    const reason = await askWords({ title: t("quantity.correct_title"), label: t("quantity.correct_why"), yes: t("quantity.correct") });
    if (!reason) return;
    const right = { good, rework, ...(Object.keys(this.counted.scrap).length ? { scrap } : {}) };
    const payload = { quantity_id: this.mode.slice(CORRECT.length), ...right, reason, supervisor_session: session.id };
    if (await this.app.act({ type: "correct", operation_id: card.id, payload }, { done: t("done.correct") })) this.app.go(`#/operation/${card.id}`);
  }

  async #done(type, card, payload, name = `${card.sequence} ${card.name}`) {
    const done = t(`done.${type}`, { name });
    if (!(await this.app.act({ type, operation_id: card.id, payload }, { undo_s: UNDO_S, done }))) return;
    this.app.go(type === "finish" ? "#/queue" : `#/operation/${card.id}`);
  }

  #pad(card) {
    const counted = this.counted;
    if (!tally.counts(counted)) return this.#reasons();
    return html`
      ${counted.field === "scrap" ? this.#because() : nothing}
      <key-pad
        .language=${this.language}
        .left=${this.#left(card)}
        @press=${({ detail }) => (this.counted = tally.press(counted, detail.key, this.#left(card)))}
      ></key-pad>
    `;
  }

  /** The reason that is counted now; a tap leads to the others. */
  #because() {
    const reason = this.app.store.reasons.find((one) => one.id === this.counted.reason);
    return html`<button type="button" class="tile because" @click=${() => this.#choose("scrap")}>
      <span>${reason?.description ?? reason?.code}</span>
      <span class="because-more">${t("quantity.other_reason")}</span>
    </button>`;
  }

  /** Tiles of those that are used most in this cell; who wants another one gets all as a list. */
  #reasons() {
    const { store } = this.app;
    if (!store.reasons.length) return html`<p class="empty">${t("quantity.no_reasons")}</p>`;
    const more = store.reasons.length > REASON_TILES_MAX && !this.every;
    const shown = more ? store.reasons.slice(0, REASON_TILES_MAX - 1) : store.reasons;
    return html`
      <h2 class="quantity-why">${t("quantity.why")}</h2>
      <div class=${this.every ? "reasons reasons-list" : "reasons"}>
        ${shown.map((reason) => this.#reason(reason))}
        ${more
          ? html`<button type="button" class="tile reason" @click=${() => (this.every = true)}>${icon("ellipsis")} ${t("quantity.all_reasons")}</button>`
          : nothing}
      </div>
    `;
  }

  #reason(reason) {
    const count = this.counted.scrap[reason.id];
    return html`<button type="button" class="tile reason" @click=${() => this.because(reason.id)}>
      <span class="reason-text">${reason.description}</span>
      ${count ? html`<span class="reason-count number">${count}</span>` : html`<span class="reason-code">${reason.code}</span>`}
    </button>`;
  }
}

customElements.define("quantity-view", QuantityView);

/** As the address says; a Finish that was refused is changed as a Finish. */
function modeOf(app) {
  const { changing, route } = app;
  if (route.rest === FINISH || route.rest?.startsWith(CORRECT)) return route.rest;
  return changing?.type === FINISH && changing.operation_id === route.id ? FINISH : REPORT;
}

export const render = (app) =>
  html`<quantity-view .app=${app} .operationId=${app.route.id} .mode=${modeOf(app)} .language=${language()}></quantity-view>`;

export const header = (app) =>
  head(t(`quantity.${modeOf(app).split("-")[0]}_title`), app.store.operation(app.route.id));

/** A label with a reason for scrap counts one piece for it. */
export function scan(app, text) {
  const reason = app.store.reasons.find((one) => one.code.toUpperCase() === text);
  if (reason) app.querySelector("quantity-view").because(reason.id);
  return Boolean(reason);
}

export const primary = (app) => app.querySelector(".quantity .primary")?.click();

export const back = toOperation;
