import { LitElement, html, nothing } from "lit";
import { t } from "shared/i18n.js";

/** One page of a document as a picture. It is asked for with the terminal's key, which an address alone does not carry. */
export class PageImage extends LitElement {
  static properties = {
    app: { attribute: false },
    url: { attribute: false },
    name: { attribute: false },
    zoom: { attribute: false },
    shown: { state: true },
    missing: { state: true },
  };

  createRenderRoot() {
    return this;
  }

  willUpdate(changed) {
    if (changed.has("url")) this.#load(this.url);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#forget();
  }

  async #load(url) {
    this.#forget();
    this.missing = false;
    try {
      const picture = await this.app.picture(url);
      if (url === this.url) this.shown = URL.createObjectURL(picture);
    } catch {
      if (url === this.url) this.missing = true;
    }
  }

  #forget() {
    if (this.shown) URL.revokeObjectURL(this.shown);
    this.shown = "";
  }

  render() {
    if (this.missing) return html`<p class="empty">${t("documents.missing")}</p>`;
    if (!this.shown) return html`<p class="quiet">${t("operation.loading")}</p>`;
    return html`<img class="page zoom-${this.zoom ?? 1}" src=${this.shown} alt=${this.name} />`;
  }
}

customElements.define("page-image", PageImage);
