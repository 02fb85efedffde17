import { html, nothing } from "lit";
import { language, t } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { pagesOf } from "../parts/ahead.js";
import { iconOf, paper } from "../parts/belongings.js";
import { Detail } from "../parts/detail.js";
import { head, toOperation } from "../parts/head.js";
import "../parts/page-image.js";
import { View } from "../parts/view.js";

const ZOOM_MAX = 4;

/** Drawings and other papers of an operation, a page at a time as a picture. */
class DocumentsView extends View {
  static properties = {
    operationId: { attribute: false },
    documentId: { attribute: false },
    page: { state: true },
    zoom: { state: true },
  };

  #detail = new Detail(this);

  willUpdate(changed) {
    if (changed.has("documentId")) Object.assign(this, { page: 1, zoom: 1 });
  }

  render() {
    const card = this.app.store.operation(this.operationId);
    if (!card) return html`<p class="empty">${t("operation.unknown")}</p>`;
    const detail = this.#detail.of(card);
    if (!detail) return html`<p class="quiet">${t(this.#detail.failed ? "operation.not_here" : "operation.loading")}</p>`;
    const files = detail.documents;
    if (!files.length) return html`<p class="empty">${t("documents.empty")}</p>`;
    const shown = files.find((one) => one.id === this.documentId) ?? files[0];
    return html`
      <section class="documents">
        ${files.length > 1 ? this.#list(card, files, shown) : nothing} ${this.#tools(shown)} ${this.#shown(shown)}
      </section>
    `;
  }

  #list(card, files, shown) {
    return html`<nav class="row" aria-label=${t("documents.title")}>
      ${files.map(
        (one) => html`<a class="button" href=${paper(card, one)} aria-current=${one === shown ? "page" : "false"}>
          ${icon(iconOf(one))} <span>${one.name}</span>
        </a>`,
      )}
    </nav>`;
  }

  #tools(file) {
    const pages = pagesOf(file);
    if (!pages || !file.url) return nothing;
    const button = (name, drawing, disabled, act) =>
      html`<button type="button" class="button" aria-label=${t(`documents.${name}`)} ?disabled=${disabled} data-repeats @click=${act}>${icon(drawing)}</button>`;
    return html`<div class="row">
      ${button("smaller", "minus", this.zoom === 1, () => (this.zoom -= 1))}
      ${button("bigger", "plus", this.zoom === ZOOM_MAX, () => (this.zoom += 1))}
      ${pages > 1 ? button("previous", "chevron-left", this.page === 1, () => (this.page -= 1)) : nothing}
      ${pages > 1 ? button("next", "chevron-right", this.page === pages, () => (this.page += 1)) : nothing}
      <span role="status">${t("documents.page", { page: this.page, pages })}</span>
    </div>`;
  }

  #shown(file) {
    if (!file.url) return html`<p class="empty">${t("documents.missing")}</p>`;
    if (!pagesOf(file)) return html`<p class="empty">${t("documents.file_only")}</p>`;
    return html`<div class="paper" tabindex="0" role="region" aria-label=${file.name}>
      <page-image .app=${this.app} .file=${file} .page=${this.page} .zoom=${this.zoom}></page-image>
    </div>`;
  }
}

customElements.define("documents-view", DocumentsView);

export const render = (app) =>
  html`<documents-view .app=${app} .operationId=${app.route.id} .documentId=${app.route.rest} .language=${language()}></documents-view>`;

export const header = (app) => head(t("documents.title"), app.store.operation(app.route.id));

export const back = toOperation;
