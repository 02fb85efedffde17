import { html, nothing } from "lit";
import { day, language, t, time } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { askWords } from "../parts/ask.js";
import { Detail } from "../parts/detail.js";
import { head, toOperation } from "../parts/head.js";
import { View } from "../parts/view.js";

const UNDO_S = 8;
const DONE = "completed";
const BLOCKED = "blocked";
const OPEN = "not_started";

/** The steps inside an operation: a tap on a row does it, or takes it back. */
class ChecklistView extends View {
  static properties = { operationId: { attribute: false } };

  #detail = new Detail(this);

  render() {
    const { store } = this.app;
    const card = store.operation(this.operationId);
    if (!card) return html`<p class="empty">${t("operation.unknown")}</p>`;
    const detail = this.#detail.of(card);
    return html`
      <section class="checklist">
        ${detail ? this.#rows(card, detail.substeps) : html`<p class="quiet">${t(this.#detail.failed ? "operation.not_here" : "operation.loading")}</p>`}
      </section>
    `;
  }

  #rows(card, substeps) {
    if (!substeps.length) return html`<p class="empty">${t("checklist.empty")}</p>`;
    return html`<ul class="checks">
      ${substeps.map((one) => this.#row(card, this.#seen(one)))}
    </ul>`;
  }

  /** As the row will be once what waits on this screen has been sent. */
  #seen(substep) {
    const own = this.app.outbox.waiting.findLast((one) => one.type === "check" && one.payload.substep_id === substep.id);
    return own ? { ...substep, ...own.payload, waiting: true } : substep;
  }

  #row(card, substep) {
    const { name, status, required, notes, done_by, done_at, waiting } = substep;
    const done = status === DONE;
    return html`<li class="check-row check-${status}">
      <button type="button" class="check-main" role="checkbox" aria-checked=${done} @click=${() => this.#check(card, substep, done ? OPEN : DONE)}>
        ${icon(done ? "square-check" : status === BLOCKED ? "ban" : "square")}
        <span class="check-text">
          <strong>${name}</strong>
          <span class="quiet">
            ${required ? t("checklist.required") : nothing} ${status === BLOCKED ? t("checklist.blocked", { why: notes ?? "" }) : nothing}
            ${done && done_at ? t("checklist.done_by", { by: done_by ?? "", at: `${day(done_at)} ${time(done_at)}` }) : nothing}
          </span>
        </span>
        ${waiting ? icon("clock", t("card.waiting")) : nothing}
      </button>
      ${done ? nothing : html`<button type="button" class="button" @click=${() => this.#block(card, substep)}>${icon("ban")} <span>${t("checklist.block")}</span></button>`}
    </li>`;
  }

  #check(card, substep, status, notes) {
    const payload = { substep_id: substep.id, status, ...(notes ? { notes } : {}) };
    const done = t(`done.check_${status}`, { name: substep.name });
    return this.app.act({ type: "check", operation_id: card.id, payload }, { undo_s: UNDO_S, done });
  }

  async #block(card, substep) {
    const notes = await askWords({ title: substep.name, label: t("checklist.why"), yes: t("checklist.block") });
    if (notes) await this.#check(card, substep, BLOCKED, notes);
  }
}

customElements.define("checklist-view", ChecklistView);

export const render = (app) => html`<checklist-view .app=${app} .operationId=${app.route.id} .language=${language()}></checklist-view>`;

export const header = (app) => head(t("checklist.title"), app.store.operation(app.route.id));

export const back = toOperation;
