import { html, nothing } from "lit";
import { openDialog } from "shared/dialog.js";
import { t } from "shared/i18n.js";

export const WORDS_CHARS_MAX = 280;

/**
 * A question with more answers than yes and no.
 * @param {{title: string, text?: any, choices: Array<{value: any, label: string, primary?: boolean, danger?: boolean}>, list?: boolean}} asked
 *   `list`: the answers stand below each other, as tiles
 * @returns {Promise<any>} the value of what was chosen; undefined when nothing was
 */
export function ask({ title, text, choices, list = false }) {
  const cancel = (close) => html`<button type="button" class="button" @click=${() => close()}>${t("common.cancel")}</button>`;
  const choice = (close) => (one) =>
    html`<button type="button" class=${classOf(one, list)} @click=${() => close(one.value)}>${one.label}</button>`;
  return openDialog({
    label: title,
    content: (close) => html`
      <h2>${title}</h2>
      ${text ? html`<p class="dialog-text">${text}</p>` : nothing}
      ${list ? html`<div class="dialog-list">${choices.map(choice(close))}</div>` : nothing}
      <div class="dialog-buttons">${cancel(close)} ${list ? nothing : choices.map(choice(close))}</div>
    `,
  });
}

function classOf({ primary, danger }, list) {
  if (list) return "tile";
  return `button${primary ? " primary" : ""}${danger ? " danger" : ""}`;
}

/**
 * Asks for a few words.
 * @param {{title: string, label: string, yes: string, chars_max?: number}} asked
 * @returns {Promise<string>} without blanks around it; "" when there is nothing to say
 */
export async function askWords({ title, label, yes, chars_max = WORDS_CHARS_MAX }) {
  const send = (close) => (event) => {
    event.preventDefault();
    close(event.target.elements.words.value.trim());
  };
  const said = await openDialog({
    label: title,
    content: (close) => html`
      <form @submit=${send(close)}>
        <h2>${title}</h2>
        <label class="dialog-text"><span class="label">${label}</span>
          <textarea class="field" name="words" rows="3" required maxlength=${chars_max}></textarea></label>
        <div class="dialog-buttons">
          <button type="button" class="button" @click=${() => close()}>${t("common.cancel")}</button>
          <button class="button primary">${yes}</button>
        </div>
      </form>
    `,
  });
  return said ?? "";
}
