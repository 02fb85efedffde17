import { html, render } from "lit";
import { t } from "shared/i18n.js";

/**
 * A dialog over the page: focus goes into it and back to where it was, Escape closes it.
 * `content(close)` is its template; the promise gives what `close(value)` was called with, undefined after Escape.
 * @param {{label: string, content: (close: (value?: any) => void) => any, closed_by_escape?: boolean}} wanted
 */
export function openDialog({ label, content, closed_by_escape = true }) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-label", label);
  return new Promise((resolve) => {
    let value;
    const close = (given) => {
      value = given;
      dialog.close();
    };
    dialog.addEventListener("cancel", (event) => closed_by_escape || event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(value);
    });
    render(content(close), dialog);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Is one open? Nothing reloads or scans under it. */
export function dialogOpen() {
  return document.querySelector("dialog[open]") !== null;
}

/**
 * Asks yes or no.
 * @param {{title: string, text?: any, yes: string, no?: string, danger?: boolean}} asked
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text = "", yes, no = t("common.cancel"), danger = false }) {
  const said = await openDialog({
    label: title,
    content: (close) => html`
      <h2>${title}</h2>
      <div class="column">${text}</div>
      <div class="dialog-buttons">
        <button class="button" @click=${() => close(false)}>${no}</button>
        <button class="button ${danger ? "danger" : "primary"}" @click=${() => close(true)}>${yes}</button>
      </div>
    `,
  });
  return said === true;
}
