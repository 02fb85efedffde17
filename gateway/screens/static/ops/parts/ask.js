import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";
import { openDialog } from "shared/dialog.js";

/**
 * A dialog of its own for what is done to one thing: names it and says what comes of it.
 * @param {{title: string, text?: any, yes: string, danger?: boolean, fields?: any}} asked `fields`: a template with named inputs
 * @returns {Promise<Record<string, string> | undefined>} what was put in; undefined: it was left
 */
export function ask({ title, text = nothing, yes, danger = false, fields = nothing }) {
  return openDialog({
    label: title,
    content: (close) => html`
      <form class="column" @submit=${(event) => submit(event, close)}>
        <h2>${title}</h2>
        <p>${text}</p>
        ${fields}
        <div class="dialog-buttons">
          <button type="button" class="button" @click=${() => close()}>${t("common.cancel")}</button>
          <button class="button ${danger ? "danger" : "primary"}">${yes}</button>
        </div>
      </form>
    `,
  });
}

/** Something that is shown only now. */
export function tell({ title, text, secret, more = nothing }) {
  return openDialog({
    label: title,
    content: (close) => html`
      <h2>${title}</h2>
      <div class="column">
        <p>${text}</p>
        <p class="ops-secret ops-mono" data-secret>${secret}</p>
        ${more}
      </div>
      <div class="dialog-buttons">
        ${copyable() ? html`<button class="button" @click=${() => copy(secret)}>${icon("copy")} ${t("ops.copy")}</button>` : nothing}
        <button class="button primary" @click=${() => close()}>${t("common.close")}</button>
      </div>
    `,
  });
}

/** A name and a value in a form. */
export function input(name, label, { value = "", type = "text", required = false, about = "" } = {}) {
  return html`<label class="column-tight">
    <span class="label">${label}</span>
    <input class="field" name=${name} type=${type} .value=${String(value)} ?required=${required} autocomplete="off" />
    ${about ? html`<span class="quiet">${about}</span>` : nothing}
  </label>`;
}

export function choice(name, label, values, { value = "", words = (one) => one } = {}) {
  return html`<label class="column-tight">
    <span class="label">${label}</span>
    <select class="select" name=${name}>
      ${values.map((one) => html`<option value=${one} ?selected=${one === value}>${words(one)}</option>`)}
    </select>
  </label>`;
}

export function values(form) {
  return Object.fromEntries(new FormData(form));
}

/** Only where the browser trusts the page. */
export function copyable() {
  return Boolean(navigator.clipboard);
}

export function copy(text) {
  return navigator.clipboard?.writeText(text);
}

function submit(event, close) {
  event.preventDefault();
  close(values(event.target));
}
