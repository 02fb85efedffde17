import { LitElement, html } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";

const DIGITS_MIN = 4;
const DIGITS_MAX = 6;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

/** A keypad for a PIN; the keyboard's digits work too. Event "pin" {pin}. The digits never stand in the page. */
class TerminalPin extends LitElement {
  static properties = { scanner: { attribute: false }, label: {}, busy: { type: Boolean } };

  constructor() {
    super();
    this.pin = "";
    this.typed = (event) => this.#typed(event);
    // A badge held to the scanner is not part of a PIN.
    this.scanned = ({ detail }) => {
      const typed = detail.typed.replace(/\D/g, "");
      if (typed && this.pin.endsWith(typed)) this.pin = this.pin.slice(0, -typed.length);
      else if (typed) this.pin = "";
      this.requestUpdate();
    };
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    addEventListener("keydown", this.typed);
    this.scanner?.addEventListener("scan", this.scanned);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener("keydown", this.typed);
    this.scanner?.removeEventListener("scan", this.scanned);
  }

  clear() {
    this.pin = "";
    this.requestUpdate();
  }

  #add(digit) {
    if (this.pin.length < DIGITS_MAX) this.pin += digit;
    this.requestUpdate();
  }

  #back() {
    this.pin = this.pin.slice(0, -1);
    this.requestUpdate();
  }

  #done() {
    if (this.busy || this.pin.length < DIGITS_MIN) return;
    this.dispatchEvent(new CustomEvent("pin", { detail: { pin: this.pin } }));
  }

  #typed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.target instanceof HTMLInputElement) return;
    if (/^\d$/.test(event.key)) this.#add(event.key);
    else if (event.key === "Backspace") this.#back();
    else if (event.key === "Enter" && !(event.target instanceof HTMLButtonElement)) this.#done();
  }

  render() {
    const { length } = this.pin;
    const key = (digit) => html`<button class="button pin-key" data-repeats @click=${() => this.#add(digit)}>${digit}</button>`;
    return html`
      <div class="pin-shown" role="status" aria-label=${t("login.digits", { n: length })}>
        ${Array.from({ length: DIGITS_MAX }, (_, n) => html`<span class="pin-dot ${n < length ? "full" : ""}"></span>`)}
      </div>
      <div class="pin-keys" role="group" aria-label=${this.label ?? "PIN"}>
        ${KEYS.map(key)}
        <button class="button pin-key" data-repeats aria-label=${t("login.back")} @click=${() => this.#back()}>${icon("arrow-left")}</button>
        ${key("0")}
        <button class="button pin-key pin-ok" data-repeats ?disabled=${this.busy || length < DIGITS_MIN} @click=${() => this.#done()}>${t("common.ok")}</button>
      </div>
    `;
  }
}

customElements.define("terminal-pin", TerminalPin);
