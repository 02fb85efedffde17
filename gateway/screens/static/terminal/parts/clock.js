import { LitElement, html } from "lit";
import { time } from "shared/i18n.js";

const LOOKS_MS = 1_000;

/** The gateway's time, to the minute. */
class TerminalClock extends LitElement {
  static properties = { clock: { attribute: false }, language: {} };

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.ticking = setInterval(() => this.requestUpdate(), LOOKS_MS);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.ticking);
  }

  render() {
    return html`<time class="clock">${time(this.clock.now())}</time>`;
  }
}

customElements.define("terminal-clock", TerminalClock);
