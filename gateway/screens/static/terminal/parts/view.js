import { LitElement } from "lit";

/** A view with a state of its own: light DOM, drawn again whenever the store has changed. */
export class View extends LitElement {
  static properties = { app: { attribute: false }, language: { attribute: false } };

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.app.store.addEventListener("change", this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.app.store.removeEventListener("change", this);
  }

  handleEvent() {
    this.requestUpdate();
  }
}
