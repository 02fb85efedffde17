import { html, nothing } from "lit";
import { live } from "lit/directives/live.js";
import { language, t } from "shared/i18n.js";
import { icon } from "shared/icon.js";
import { head, toOperation } from "../parts/head.js";
import { PHOTOS_MAX, scaled } from "../parts/photos.js";
import { left, unitOf } from "../parts/state.js";
import { View } from "../parts/view.js";

const SEVERITIES = ["low", "medium", "high", "critical"];
const NCR_TYPES = ["material_defect", "dimensional", "surface_finish", "process_error", "other"];
const TEXT_CHARS_MAX = 2000;
const TITLE_CHARS_MAX = 80;
const UNDO_S = 8;
const SHORTFALL = "shortfall";

/** Category, severity, a few words, photos; the words are sent first and wait for no photo. */
class IssueView extends View {
  static properties = {
    operationId: { attribute: false },
    about: { attribute: false },
    category: { state: true },
    severity: { state: true },
    text: { state: true },
    stops: { state: true },
    ncr: { state: true },
    affected: { state: true },
    photos: { state: true },
  };

  #opened = "";

  willUpdate() {
    const asked = `${this.operationId} ${this.about}`;
    const card = this.app.store.operation(this.operationId);
    if (!card || this.#opened === asked) return;
    this.#opened = asked;
    this.#forget();
    const text = this.about === SHORTFALL ? t("issue.shortfall", { n: left(card), planned: card.planned, unit: unitOf(card) }) : "";
    Object.assign(this, { category: null, severity: "medium", text, stops: false, ncr: "", affected: "", photos: [] }, this.#refused());
  }

  /** What was refused and is to be changed. Its photos are asked for again. */
  #refused() {
    const { changing, store } = this.app;
    if (changing?.type !== "issue" || changing.operation_id !== this.operationId) return {};
    const { category_id, severity, description, stops_work, ncr_type, affected_quantity } = changing.payload;
    const category = store.categories.find((one) => one.id === category_id) ?? null;
    return { category, severity, text: description, stops: stops_work, ncr: ncr_type ?? "", affected: String(affected_quantity ?? "") };
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#forget();
  }

  /** Addresses of pictures that are shown hold them in memory. */
  #forget() {
    for (const { url } of this.photos ?? []) URL.revokeObjectURL(url);
  }

  render() {
    const card = this.app.store.operation(this.operationId);
    if (!card) return html`<p class="empty">${t("operation.unknown")}</p>`;
    return html`
      <form class="issue" @submit=${(event) => this.#send(event, card)}>
        ${this.#categories()} ${this.#severities()} ${this.#words()} ${this.#pictures()} ${this.#more(card)}
        <button class="button primary wide" ?disabled=${!this.text.trim() && !this.category}>${icon("send")} ${t("issue.send")}</button>
      </form>
    `;
  }

  #categories() {
    const { categories } = this.app.store;
    if (!categories.length) return nothing;
    return html`<fieldset class="group">
      <legend>${t("issue.category")}</legend>
      <div class="choices-grid">
        ${categories.map((one) => this.#tile(one.description, this.category?.id === one.id, () => this.#choose(one)))}
      </div>
    </fieldset>`;
  }

  #choose(category) {
    this.category = category;
    if (category.severity_default) this.severity = category.severity_default;
  }

  #severities() {
    return html`<fieldset class="group">
      <legend>${t("issue.severity")}</legend>
      <div class="choices-grid">
        ${SEVERITIES.map((one) => this.#tile(t(`issue.${one}`), this.severity === one, () => (this.severity = one), `severity-${one}`))}
      </div>
    </fieldset>`;
  }

  #tile(label, pressed, choose, more = "") {
    return html`<button type="button" class="tile ${more}" aria-pressed=${pressed} @click=${choose}>${label}</button>`;
  }

  #words() {
    return html`<label class="group"><span class="label">${t("issue.text")}</span>
      <textarea class="field" rows="3" maxlength=${TEXT_CHARS_MAX} .value=${live(this.text)} @input=${({ target }) => (this.text = target.value)}></textarea>
    </label>`;
  }

  #pictures() {
    return html`<div class="group">
      <div class="row">
        ${this.photos.map(
          (photo, place) => html`<button type="button" class="photo" @click=${() => this.#drop(place)}>
            <img src=${photo.url} alt=${t("issue.photo_n", { n: place + 1 })} /><span class="photo-drop">${icon("trash-2", t("issue.drop"))}</span>
          </button>`,
        )}
        ${this.photos.length < PHOTOS_MAX
          ? html`<label class="button">
              ${icon("camera")} ${t("issue.photo")}
              <input class="hidden-visually" type="file" accept="image/*" capture="environment" @change=${this.#picked} />
            </label>`
          : nothing}
        <span class="quiet">${t("issue.photos_of", { taken: this.photos.length, most: PHOTOS_MAX })}</span>
      </div>
    </div>`;
  }

  async #picked({ target }) {
    const [file] = target.files;
    target.value = "";
    if (!file) return;
    try {
      const blob = await scaled(file);
      this.photos = [...this.photos, { blob, url: URL.createObjectURL(blob) }];
    } catch {
      this.app.toast(t("issue.no_picture", { name: file.name }), "red");
    }
  }

  #drop(place) {
    URL.revokeObjectURL(this.photos[place].url);
    this.photos = this.photos.filter((_, other) => other !== place);
  }

  #more(card) {
    return html`
      <label class="check"
        ><input type="checkbox" .checked=${live(this.stops)} @change=${({ target }) => (this.stops = target.checked)} />
        <span>${t("issue.stops")}<span class="quiet check-hint">${t("issue.stops_hint")}</span></span></label
      >
      <fieldset class="group">
        <legend>${t("issue.ncr")}</legend>
        <div class="choices-grid">
          ${NCR_TYPES.map((one) => this.#tile(t(`issue.ncr_${one}`), this.ncr === one, () => (this.ncr = this.ncr === one ? "" : one)))}
        </div>
        ${this.ncr
          ? html`<label class="affected"><span class="label">${t("issue.affected", { unit: unitOf(card) })}</span>
              <input class="field" type="number" inputmode="numeric" min="0" step="1" .value=${live(this.affected)} @input=${({ target }) => (this.affected = target.value)}
            /></label>`
          : nothing}
      </fieldset>
    `;
  }

  async #send(event, card) {
    event.preventDefault();
    const text = this.text.trim();
    const title = (this.category?.description ?? text.split("\n")[0]).slice(0, TITLE_CHARS_MAX);
    const payload = {
      severity: this.severity,
      title,
      description: text || title,
      stops_work: this.stops,
      photos: this.photos.length,
      ...(this.category ? { category_id: this.category.id } : {}),
      ...(this.ncr ? { ncr_type: this.ncr } : {}),
      ...(this.ncr && this.affected ? { affected_quantity: Number(this.affected) } : {}),
    };
    const photos = this.photos.map((photo) => photo.blob);
    const done = t("done.issue", { name: `${card.sequence} ${card.name}` });
    if (!(await this.app.act({ type: "issue", operation_id: card.id, payload }, { undo_s: UNDO_S, photos, done }))) return;
    this.app.go(`#/operation/${card.id}`);
  }
}

customElements.define("issue-view", IssueView);

export const render = (app) =>
  html`<issue-view .app=${app} .operationId=${app.route.id} .about=${app.route.rest} .language=${language()}></issue-view>`;

export const header = (app) => head(t("issue.title"), app.store.operation(app.route.id));

export const back = toOperation;
