import { html } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";

/** A table that scrolls by itself where it is wider than the page. `rows`: templates of `<tr>`; `amounts`: the columns of numbers. */
export function table(label, heads, rows, empty = "", amounts = []) {
  if (!rows.length) return html`<p class="quiet">${empty}</p>`;
  return html`<div class="ops-scroll" tabindex="0" role="region" aria-label=${label}>
    <table class="table">
      <thead>
        <tr>${heads.map((one, at) => html`<th scope="col" class=${amounts.includes(at) ? "amount" : ""}>${one || html`<span class="hidden-visually">${t("ops.actions")}</span>`}</th>`)}</tr>
      </thead>
      <tbody>${rows}</tbody>
    </table>
  </div>`;
}

const DRAWN = {
  up: ["circle-check", "tone-green"],
  down: ["circle-x", "tone-red"],
  degraded: ["triangle-alert", "tone-amber"],
  off: ["ban", "tone-grey"],
};

/** A state of a link: icon and word, never colour alone. */
export function state(name) {
  const [drawing, tone] = DRAWN[name] ?? ["circle-help", "tone-grey"];
  return html`<span class="ops-state ${tone}">${icon(drawing)} ${t(`ops.state_${name in DRAWN ? name : "off"}`)}</span>`;
}

export function json(value) {
  return html`<pre class="ops-mono" tabindex="0">${JSON.stringify(value, null, 1)}</pre>`;
}
