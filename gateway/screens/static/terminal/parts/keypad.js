import { LitElement, html, nothing } from "lit";
import { t } from "shared/i18n.js";
import { icon } from "shared/icon.js";

// A scanner types like a person who is too quick: digits this close together are no keys of the keypad.
const BURST_MS = 50;
const HARDWARE = { Backspace: "back", Delete: "clear", "+": "+1", "-": "-1" };

/**
 * Digits, steps, and everything that is left, with event "press" {key}: "0".."9", "back", "clear", "-1", "+1", "+5", "all".
 * `left`: what "all" stands for; without it there is no such key.
 */
export class KeyPad extends LitElement {
  static properties = { left: { attribute: false }, disabled: { attribute: false }, language: { attribute: false } };

  #typed = [];
  #burst = 0;

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    window.addEventListener("keydown", this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    window.removeEventListener("keydown", this);
    clearTimeout(this.#burst);
  }

  render() {
    return html`<div class="keypad" role="group" aria-label=${t("keypad.label")}>
      ${["1", "2", "3"].map((key) => this.#key(key))} ${this.#key("-1", "keypad-step")}
      ${["4", "5", "6"].map((key) => this.#key(key))} ${this.#key("+1", "keypad-step")}
      ${["7", "8", "9"].map((key) => this.#key(key))} ${this.#key("+5", "keypad-step")}
      ${this.#sign("clear", "x")} ${this.#key("0")} ${this.#sign("back", "arrow-left", "key-wide")}
      ${this.left === undefined ? nothing : this.#all()}
    </div>`;
  }

  #key(key, more = "") {
    return html`<button type="button" class="button key ${more}" data-repeats ?disabled=${this.disabled} @click=${() => this.#press(key)}>
      ${key.replace("-", "−")}
    </button>`;
  }

  #sign(key, name, more = "") {
    const label = t(`keypad.${key}`);
    return html`<button type="button" class="button key ${more}" aria-label=${label} data-repeats ?disabled=${this.disabled} @click=${() => this.#press(key)}>
      ${icon(name)}
    </button>`;
  }

  #all() {
    return html`<button type="button" class="button key keypad-all" ?disabled=${this.disabled || !this.left} @click=${() => this.#press("all")}>
      ${t("keypad.all", { n: this.left })}
    </button>`;
  }

  #press(key) {
    this.dispatchEvent(new CustomEvent("press", { detail: { key } }));
  }

  /** Keys of a keyboard, unless somebody writes into a field, or it was a scanner. */
  handleEvent(event) {
    const key = HARDWARE[event.key] ?? event.key;
    const writing = event.target.closest?.("input, textarea, select, dialog");
    if (this.disabled || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (key.length === 1 && !/\d/.test(key) && !this.#typed.length) return;
    if (key.length > 1 && !Object.values(HARDWARE).includes(key)) return;
    this.#typed.push(key);
    clearTimeout(this.#burst);
    this.#burst = setTimeout(() => {
      if (this.#typed.length === 1) this.#press(this.#typed[0]);
      this.#typed = [];
    }, BURST_MS);
  }
}

customElements.define("key-pad", KeyPad);
