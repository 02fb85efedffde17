/** What the gateway did not take, in words; what to do about it only a person decides. */

import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { icon } from "shared/icon.js";
import { span, t, time } from "shared/i18n.js";
import { moment } from "../parts/badge.js";
import { scrapped } from "../core/reducer.js";

const CHANGED_IN = { finish: "quantity", report: "quantity", issue: "issue", check: "checklist" };
const DISCARDED_SHOWN = 10;

const state = { discarded: null };

export function render(app) {
  if (!state.discarded) read(app);
  const { outbox } = app;
  const login = outbox.waiting.filter((one) => one.asks_login);
  const behind = new Set(outbox.behind);
  const waiting = outbox.waiting.filter((one) => !one.asks_login);
  const nothing_there = outbox.commands.length === 0;
  return html`
    <section class="column">
      ${nothing_there ? html`<p>${t("attention.none")}</p>` : nothing}
      <ul class="column">
        ${repeat(outbox.refused, (one) => one.id, (one) => refused(app, one))}
        ${repeat(login, (one) => one.id, (one) => asks(app, one))}
      </ul>
      ${waiting.length
        ? html`<h2>${t("attention.waiting")}</h2>
            <ul class="column">${repeat(waiting, (one) => one.id, (one) => waits(app, one, behind.has(one)))}</ul>`
        : nothing}
      ${app.store.link.cloud?.parked ? html`<p class="bar red">${icon("circle-alert")} <span>${t("attention.parked", { n: app.store.link.cloud.parked })}</span></p>` : nothing}
      ${state.discarded?.length ? discarded(app) : nothing}
    </section>
  `;
}

export function leave() {
  state.discarded = null;
}

/** "Finish OP 20: 12 good, 1 scrap" */
export function inWords(app, command) {
  const card = app.store.cards.get(command.operation_id);
  const name = card ? [card.job_number, card.name].filter(Boolean).join(" · ") : t("attention.an_operation");
  const { good = 0, rework = 0, scrap, title = "" } = command.payload ?? {};
  return t(`attention.did_${command.type}`, { name, good, rework, scrap: scrapped(scrap), title });
}

function card(app, command, inner, tone) {
  const by = command.operator_name ? ` · ${command.operator_name}` : "";
  return html`<li class="card column" data-command=${command.id}>
    <div><h2 class=${tone}>${inWords(app, command)}</h2>
      <p class="quiet">${moment(command.tapped_at, app.clock.now())}${by}</p></div>
    ${inner}
  </li>`;
}

function refused(app, command) {
  const view = command.payload?.batch ? "operation" : CHANGED_IN[command.type];
  const change = () => {
    app.changing = command;
    app.go(`#/${view}/${encodeURIComponent(command.operation_id)}`);
  };
  const { message, request_id } = command.reason;
  return card(
    app,
    command,
    html`<p>${icon("circle-alert")} ${t("attention.refused", { why: message })}</p>
      ${request_id ? html`<p class="quiet">${t("attention.request", { id: request_id })}</p>` : nothing}
      <div class="row">
        <button class="button" @click=${() => app.outbox.retry(command.id)}>${icon("rotate-ccw")} ${t("attention.retry")}</button>
        ${view && command.operation_id ? html`<button class="button" @click=${change}>${icon("pencil")} ${t("attention.change")}</button>` : nothing}
        <button class="button danger" @click=${() => discard(app, command)}>${icon("trash-2")} ${t("attention.discard")}</button>
      </div>`,
    "tone-red",
  );
}

function asks(app, command) {
  return card(
    app,
    command,
    html`<p>${icon("lock")} ${t("attention.log_in_as", { name: command.operator_name ?? "" })}</p>
      <div class="row">
        <button class="button" @click=${() => app.go("#/login")}>${icon("log-in")} ${t("login.title")}</button>
        <button class="button danger" @click=${() => discard(app, command)}>${icon("trash-2")} ${t("attention.discard")}</button>
      </div>`,
    "tone-amber",
  );
}

function waits(app, command, behind) {
  const age_s = (app.clock.now() - Date.parse(command.tapped_at)) / 1000;
  return card(app, command, html`<p>${icon(behind ? "hourglass" : "clock")} ${behind ? t("attention.behind") : t("attention.since", { span: span(age_s) })}</p>`, "");
}

async function discard(app, command) {
  const what = inWords(app, command);
  const sure = await app.confirm({ title: t("attention.discard_title"), text: t("attention.discard_what", { what }), yes: t("attention.discard"), danger: true });
  if (!sure) return;
  await app.outbox.discard(command.id, app.sessions.active?.name ?? "");
  state.discarded = null;
  app.requestUpdate();
}

async function read(app) {
  state.discarded = [];
  state.discarded = (await app.outbox.discarded()).slice(-DISCARDED_SHOWN).reverse();
  app.requestUpdate();
}

function discarded(app) {
  return html`<details>
    <summary class="button">${t("attention.discarded", { n: state.discarded.length })}</summary>
    <ul class="column">
      ${state.discarded.map((one) => html`<li class="quiet">${time(one.at)} · ${inWords(app, one)} · ${t("attention.discarded_by", { name: one.by })}</li>`)}
    </ul>
  </details>`;
}
