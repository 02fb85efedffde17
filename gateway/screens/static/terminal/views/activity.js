/** What the one who works here has done today: time, pieces, issues. */

import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { span, t, time } from "shared/i18n.js";

const state = { of: null, told: null, error: null };

export function render(app) {
  const { session } = app.store;
  if (session && state.of !== session.id) read(app, session);
  const { told, error } = state;
  if (error) return html`<p class="bar amber">${icon("wifi-off")} <span class="grow">${error}</span> ${again(app, session)}</p>`;
  if (!told) return html`<p>${t("common.reading")}</p>`;
  return html`
    <section class="column">
      <div class="row"><p class="grow">${t("activity.worked")} <span class="number">${span(told.worked_s)}</span></p> ${again(app, session)}</div>
      ${list(t("activity.time"), told.entries, entry)} ${list(t("activity.pieces"), told.quantities, quantity)}
      ${list(t("activity.issues"), told.issues, issue)}
    </section>
  `;
}

export function leave() {
  Object.assign(state, { of: null, told: null, error: null });
}

function again(app, session) {
  return html`<button class="button" @click=${() => read(app, session)}>${icon("refresh-cw")} ${t("common.again")}</button>`;
}

async function read(app, session) {
  Object.assign(state, { of: session.id, error: null });
  try {
    state.told = await app.api.get(`/activity?session=${encodeURIComponent(session.id)}`);
  } catch (error) {
    state.error = error.status === 0 ? t("common.no_answer") : error.message;
  }
  app.requestUpdate();
}

function list(title, rows, one) {
  return html`<div><h2>${title}</h2>
    ${rows?.length ? html`<ul class="column">${rows.map((row) => html`<li class="card row">${one(row)}</li>`)}</ul>` : html`<p class="quiet">${t("activity.none")}</p>`}
  </div>`;
}

function what(row) {
  return html`<span class="grow">${[row.job_number, row.part_number, row.operation_name].filter(Boolean).join(" · ")}</span>`;
}

function entry(row) {
  const ended = row.end_time ? time(row.end_time) : t("activity.running");
  return html`${what(row)} <span>${time(row.start_time)} – ${ended}</span> ${row.duration_s === null ? nothing : html`<strong>${span(row.duration_s ?? 0)}</strong>`}`;
}

function quantity(row) {
  return html`${what(row)} <span>${time(row.recorded_at)}</span> <strong>${t("activity.counted", { good: row.good, scrap: row.scrap, rework: row.rework })}</strong>`;
}

function issue(row) {
  return html`<span class="grow">${row.title}</span> <span>${time(row.created_at)}</span> <span class="quiet">${row.status}</span>`;
}
