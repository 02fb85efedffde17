import { html, nothing } from "lit";
import { day, language, number, span, t, time } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { askWords } from "../parts/ask.js";
import * as belongings from "../parts/belongings.js";
import { BATCH, SINGLE, batchOrSingle, begins } from "../parts/batch.js";
import { blockersOf, blockersOfBatch, cleared, leaving, resume } from "../parts/blockers.js";
import { Detail } from "../parts/detail.js";
import { head } from "../parts/head.js";
import { ICONS, dayOf, elapsedS, others, runsAsBatch, stateOf, timerOf, unitOf, urgency } from "../parts/state.js";
import { correctTimes } from "../parts/times.js";
import { View } from "../parts/view.js";

const SUPERVISOR = "admin"; // the role of whoever may put right what was booked

/** By the state of the card: the one big button first, then the others. */
const ACTIONS = {
  ready: ["start", "setup", "issue"],
  expected: ["start", "setup", "issue"],
  mine: ["finish", "pause", "report", "issue"],
  other: ["join", "report", "issue"],
  paused: ["resume", "finish", "report", "issue"],
  held: ["unhold", "issue"],
  done: [],
};
const ACTION_ICONS = {
  start: "play",
  setup: "wrench",
  join: "users",
  resume: "play",
  unhold: "play",
  finish: "check",
  pause: "pause",
  report: "plus",
  issue: "triangle-alert",
};

/** One operation: what it is on the left, what can be done on the right, what belongs to it below. */
class OperationView extends View {
  static properties = { operationId: { attribute: false } };

  #detail = new Detail(this);

  render() {
    const { store } = this.app;
    const card = store.operation(this.operationId);
    if (!card) return html`<p class="empty">${t("operation.unknown")}</p>`;
    const detail = this.#detail.of(card);
    return html`
      <article class="operation">
        <div class="operation-what">${this.#states(card)} ${this.#facts(card, detail)} ${detail ? this.#texts(card, detail) : nothing}</div>
        <div class="operation-do">${this.#count(card)} ${this.#actions(card, detail)}</div>
        <div class="operation-below">
          ${detail ? this.#below(card, detail) : html`<p class="quiet">${t(this.#detail.failed ? "operation.not_here" : "operation.loading")}</p>`}
        </div>
      </article>
    `;
  }

  #states(card) {
    const state = stateOf(card);
    const due = urgency(card, dayOf(new Date(this.app.clock.now())));
    return html`<p class="states">
      <span class="state state-${state}">${icon(ICONS[state])} ${t(`card.${state}`)}</span>
      ${card.rush ? html`<span class="tag tag-rush">${icon("zap")} ${t("card.rush")}</span>` : nothing}
      ${due ? html`<span class="tag tag-${due}">${t(`card.${due}`)}</span>` : nothing}
      ${runsAsBatch(card) ? html`<span class="tag tag-batch">${icon("layers")} <span>${t("operation.batch_runs", { number: card.batch.number, n: card.batch.operations })}</span></span>` : nothing}
      ${card.waiting ? html`<span class="state">${icon("clock")} ${t("card.waiting")}</span>` : nothing}
    </p>`;
  }

  /** What is booked, and what runs: a card alone knows only what is booked. */
  #workedS(card, detail) {
    if (!detail) return card.worked_s;
    const ended = detail.time.filter((one) => one.end_time);
    const now = this.app.clock.now();
    const running = card.on_it.reduce((sum, one) => sum + elapsedS(one, now), 0);
    return ended.reduce((sum, one) => sum + (one.duration_s ?? 0), running);
  }

  #facts(card, detail) {
    const facts = [
      ["part", card.part_name ? `${card.part_number} · ${card.part_name}` : card.part_number],
      ["customer", card.customer],
      ["material", card.material],
      ["due", card.due_date && day(card.due_date)],
      ["cell", card.cell_name],
      ["batch", detail?.batch && t("operation.batch_of", { number: detail.batch.batch_number, n: detail.batch.operations })],
      ["time", t("operation.time_of", { worked: span(this.#workedS(card, detail)), planned: span(card.estimated_s) })],
    ];
    const shown = facts.filter(([, value]) => value);
    return html`<dl class="facts-grid">
      ${shown.map(([name, value]) => html`<div><dt>${t(`operation.${name}`)}</dt><dd>${value}</dd></div>`)}
    </dl>`;
  }

  #texts(card, detail) {
    return html`
      ${card.held ? html`<p class="note note-held">${icon("octagon-alert")} <span>${card.held.title}</span></p>` : nothing}
      ${detail.handoff ? this.#handoff(detail.handoff) : nothing}
      ${detail.notes ? html`<p class="note">${icon("info")} <span>${detail.notes}</span></p>` : nothing}
    `;
  }

  #handoff({ text, by, at }) {
    return html`<p class="note note-handoff">
      ${icon("message-square")}
      <span>${text}<span class="note-by">${t("operation.handoff_by", { by, at: `${day(at)} ${time(at)}` })}</span></span>
    </p>`;
  }

  #count(card) {
    const bad = [
      ["scrap", card.scrap],
      ["rework", card.rework],
    ].filter(([, pieces]) => pieces > 0);
    return html`<div class="operation-count">
      <p><span class="number number-large">${number(card.good)}</span> <span class="of">/ ${number(card.planned)} ${unitOf(card)}</span></p>
      <p class="quiet">
        ${bad.map(([name, pieces]) => html`<span class="tone-orange">${t(`operation.${name}`, { n: pieces })}</span> `)}
      </p>
      ${this.#people(card)}
    </div>`;
  }

  #people(card) {
    const names = others(card, this.app.store.session?.operator_id).map((one) => one.name);
    return names.length ? html`<p class="people">${icon("user")} ${t("operation.on_it", { names: names.join(", ") })}</p>` : nothing;
  }

  #below(card, detail) {
    return html`
      ${belongings.routing(card, detail)} ${belongings.checklist(card, detail)} ${belongings.documents(card, detail)}
      ${belongings.tools(detail)} ${belongings.issues(detail)} ${belongings.booked(card, detail, this.#correctTime(card))}
      <button type="button" class="button to-handoff" @click=${() => this.#remark(card)}>${icon("message-square")} <span>${t("operation.handoff")}</span></button>
    `;
  }

  #correctTime(card) {
    return this.#supervisor ? (entry) => correctTimes(this.app, card, entry) : null;
  }

  #actions(card, detail) {
    const { policy } = this.app.store;
    const offered = { join: policy?.join !== false, setup: policy?.work_modes === true };
    const [first, ...rest] = ACTIONS[this.#situation(card)].filter((name) => offered[name] !== false);
    if (!first) return html`<p class="quiet">${t(this.#supervisor ? "operation.correct_hint" : "operation.done_hint")}</p>`;
    return html`
      ${this.#action(first, card, detail, "primary wide")}
      <div class="operation-also">${rest.map((name) => this.#action(name, card, detail))}</div>
    `;
  }

  get #supervisor() {
    return this.app.store.session?.role === SUPERVISOR;
  }

  /** "running" is somebody else's or mine: what I can do differs. */
  #situation(card) {
    const state = stateOf(card);
    if (state !== "running") return state;
    const timer = timerOf(card, this.app.store.session?.operator_id);
    return timer && !timer.paused ? "mine" : "other";
  }

  #action(name, card, detail, more = "") {
    return html`<button type="button" class="button ${more}" data-action=${name} @click=${() => this.#do(name, card, detail)}>
      ${icon(ACTION_ICONS[name])} <span>${t(`operation.do_${name}`)}</span>
    </button>`;
  }

  async #do(name, card, detail) {
    const { app } = this;
    if (name === "report") return app.go(`#/quantity/${card.id}`);
    if (name === "issue") return app.go(`#/issue/${card.id}`);
    if (name === "finish") return this.#finish(card, detail);
    if (name === "pause") return app.act({ type: name, operation_id: card.id, payload: {} });
    if (name === "resume") return resume(app, card);
    if (name === "unhold") return this.#unhold(card);
    return this.#begin(name, card, detail);
  }

  async #begin(name, card, detail) {
    const { store } = this.app;
    const operatorId = store.session?.operator_id;
    const choice = name === "start" && begins(card) ? await batchOrSingle(name, card) : SINGLE;
    if (!choice) return;
    const given = { detail, cards: store.operations(), cells: store.cells, policy: store.policy, operatorId };
    const payload = await cleared(choice === BATCH ? blockersOfBatch(card, given) : blockersOf(card, given));
    if (!payload) return;
    const more = choice === BATCH ? { batch: true } : { join: { join: true }, setup: { setup: true } }[name];
    this.app.act({ type: "start", operation_id: card.id, payload: { ...payload, ...more } });
  }

  /** What the checklist still wants is said by name, before anybody counts pieces. */
  async #finish(card, detail) {
    const wanted = this.app.store.policy?.checklist_required ? (detail?.substeps ?? []) : [];
    const open = wanted.filter((one) => one.status !== "completed");
    if (!open.length) return this.app.go(`#/quantity/${card.id}/finish`);
    const names = open.map((one) => one.name).join(", ");
    const yes = t("operation.to_checklist");
    if (await this.app.confirm({ title: t("operation.checklist_open"), text: names, yes })) this.app.go(`#/checklist/${card.id}`);
  }

  async #unhold(card) {
    const reason = await askWords({ title: t("operation.unhold_title"), label: t("operation.unhold_why"), yes: t("operation.do_resume") });
    const payload = reason && (await leaving(this.app, card));
    if (payload) this.app.act({ type: "resume", operation_id: card.id, payload: { ...payload, reason } });
  }

  async #remark(card) {
    const text = await askWords({ title: t("operation.handoff"), label: t("operation.handoff_for"), yes: t("operation.leave") });
    if (text) this.app.act({ type: "handoff", operation_id: card.id, payload: { text } }, { done: t("done.handoff") });
  }
}

customElements.define("operation-view", OperationView);

export const render = (app) => html`<operation-view .app=${app} .operationId=${app.route.id} .language=${language()}></operation-view>`;

export function header(app) {
  const card = app.store.operation(app.route.id);
  return card ? head(`${card.sequence} ${card.name}`, null, `${card.job_number} · ${card.part_number}`) : head(t("operation.title"));
}

/** What the foot pedal presses. */
export const primary = (app) => app.querySelector(".operation-do .primary")?.click();
