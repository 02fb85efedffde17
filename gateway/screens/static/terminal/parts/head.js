import { html, nothing } from "lit";

/** From a part of an operation back to it. */
export const toOperation = (app) => `#/operation/${encodeURIComponent(app.route.id)}`;

/** The left part of the header: what this is, and of which operation. */
export function head(title, card, of = card && `${card.job_number} · ${card.sequence} ${card.name}`) {
  return html`<h1 class="grow header-title">${title}${of ? html`<span class="header-of">${of}</span>` : nothing}</h1>`;
}
