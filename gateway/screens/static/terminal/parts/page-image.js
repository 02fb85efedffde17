import { LitElement, html } from "lit";
import { t } from "shared/i18n.js";
import { pageOf } from "./ahead.js";

/** One page of a document as a picture. It is asked for with the terminal's key, which an address alone does not carry. */
export class PageImage extends LitElement {
  static properties = {
    app: { attribute: false },
    file: { attribute: false, hasChanged: (now, before) => now?.url !== before?.url },
    page: { attribute: false },
    zoom: { attribute: false },
    shown: { state: true },
    missing: { state: true },
  };

  createRenderRoot() {
    return this;
  }

  willUpdate(changed) {
    if (changed.has("file") || changed.has("page")) this.#load(this.file, this.page);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#forget();
  }

  async #load(file, page) {
    this.#forget();
    this.missing = false;
    const wanted = () => file === this.file && page === this.page;
    try {
      const picture = await pageOf(this.app, file, page);
      if (wanted()) this.shown = URL.createObjectURL(picture);
    } catch {
      if (wanted()) this.missing = true;
    }
  }

  #forget() {
    if (this.shown) URL.revokeObjectURL(this.shown);
    this.shown = "";
  }

  render() {
    if (this.missing) return html`<p class="empty">${t("documents.missing")}</p>`;
    if (!this.shown) return html`<p class="quiet">${t("operation.loading")}</p>`;
    return html`<img class="page page-${this.file.kind} zoom-${this.zoom ?? 1}" src=${this.shown} alt=${this.file.name} />`;
  }
}

customElements.define("page-image", PageImage);
