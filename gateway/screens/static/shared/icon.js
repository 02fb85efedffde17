import { html, svg } from "lit";

const SPRITE = new URL("../icons.svg", import.meta.url).pathname;

/**
 * A drawing of the sprite, by its name at lucide. Words stand beside it; alone it needs a `label`.
 * @param {string} name
 * @param {string} [label]
 */
export function icon(name, label) {
  const use = svg`<use href="${SPRITE}#${name}"></use>`;
  return label
    ? html`<svg class="icon" viewBox="0 0 24 24" role="img" aria-label=${label}>${use}</svg>`
    : html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${use}</svg>`;
}
