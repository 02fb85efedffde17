import { html, nothing } from "lit";
import { span, t, time } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { ICONS } from "./state.js";

export const CORRECT = "correct-"; // before the id of what is put right, in the address
const STEP_ICONS = { not_started: ICONS.ready, in_progress: ICONS.running, on_hold: ICONS.paused, completed: ICONS.done };

/** Where the part has been and where it goes; the step that is shown is marked. */
export function routing(card, { routing: steps, next_cell }) {
  return section("routing", "route", html`
    <ol class="routing">
      ${steps.map(
        (step) => html`<li class="step step-${step.status}" aria-current=${step.id === card.id ? "step" : "false"}>
          ${icon(STEP_ICONS[step.status], t(`common.status_${step.status}`))}
          <span><strong>${step.sequence} ${step.name}</strong><span class="step-cell">${step.cell_name}</span></span>
        </li>`,
      )}
    </ol>
    ${next_cell ? html`<p class="quiet">${nextCell(next_cell)}</p>` : nothing}
  `);
}

function nextCell({ name, wip, wip_limit }) {
  return wip_limit ? t("operation.next_cell_of", { name, in_work: wip, limit: wip_limit }) : t("operation.next_cell", { name });
}

export function checklist(card, { substeps }) {
  if (!substeps.length) return nothing;
  const done = substeps.filter((one) => one.status === "completed").length;
  return section("checklist", "list-checks", html`
    <a class="button" href="#/checklist/${card.id}">${icon("list-checks")} ${t("operation.checked", { done, of: substeps.length })}</a>
  `);
}

export function documents(card, { documents: files }) {
  if (!files.length) return nothing;
  return section("documents", "file-text", html`
    <div class="row">
      ${files.map((file) => html`<a class="button" href=${paper(card, file)}>${icon(iconOf(file))} <span>${file.name}</span></a>`)}
    </div>
  `);
}

export const paper = (card, file) => `#/documents/${card.id}/${encodeURIComponent(file.id)}`;

const KIND_ICONS = { image: "image", pdf: "file-text", cad: "package", cnc: "qr-code" };
export const iconOf = ({ kind }) => KIND_ICONS[kind] ?? "file-text";

/** What has to be at hand. */
export function tools({ tools: needed = [] }) {
  if (!needed.length) return nothing;
  return section("tools", "wrench", html`
    <ul class="booked">
      ${needed.map((one) => html`<li><span>${one.name}</span>${one.location ? html`<span class="quiet">${icon("map-pin")} ${one.location}</span>` : nothing}</li>`)}
    </ul>
  `);
}

/**
 * Who has worked on it, and when. Open entries have no end.
 * @param {((entry: object) => void) | null} correctTime what puts a time right, for a supervisor; pieces lead him to where they are
 */
export function booked(card, { time: entries, quantities }, correctTime) {
  if (!entries.length && !quantities.length) return nothing;
  return section("booked", "clock", html`
    <ul class="booked">
      ${entries.map(
        (one) => html`<li>
          <span>${one.operator_name}</span>
          <span class="quiet">${time(one.start_time)}–${one.end_time ? time(one.end_time) : "…"}</span>
          <span>${one.duration_s === null ? t("operation.runs") : span(one.duration_s)}</span>
          ${correctTime ? html`<button type="button" class="button" @click=${() => correctTime(one)}>${pencil()}</button>` : nothing}
        </li>`,
      )}
      ${quantities.map(
        (one) => html`<li>
          <span>${one.operator_name}</span><span class="quiet">${time(one.recorded_at)}</span><span>${pieces(one)}</span>
          ${correctTime ? correct(card, one) : nothing}
        </li>`,
      )}
    </ul>
  `);
}

const correct = (card, { id }) =>
  html`<a class="button" href="#/quantity/${card.id}/${CORRECT}${id}">${pencil()}</a>`;

const pencil = () => html`${icon("pencil")} <span>${t("operation.correct")}</span>`;

function pieces({ good, scrap, rework }) {
  const said = [["good", good], ["scrap", scrap], ["rework", rework]].filter(([, n]) => n > 0);
  return said.map(([name, n]) => t(`operation.${name}`, { n })).join(" · ");
}

export function issues({ issues: open }) {
  if (!open.length) return nothing;
  return section("issues", "triangle-alert", html`
    <ul class="booked">${open.map((one) => html`<li><span>${one.title ?? one.description}</span><span class="quiet">${t(`issue.${one.severity}`)}</span></li>`)}</ul>
  `);
}

function section(name, drawing, content) {
  return html`<section class="below-part ${name}-part"><h2>${icon(drawing)} ${t(`operation.${name}`)}</h2>${content}</section>`;
}
