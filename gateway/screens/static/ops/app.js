/**
 * The operations page: the frame around the view that the address names (`#/sync`, `#/keys` ...), and the `app` that views get.
 *
 * A view is `views/<name>.js` with a class as its default export: see core/view.js.
 */

import { LitElement, html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { LANGUAGES, speak, spoken, t, time, span } from "shared/i18n.js";
import { Toasts } from "shared/toast.js";
import { Session } from "./core/session.js";
import { kept, keep } from "./core/kept.js";
import { needed } from "./core/sentence.js";

/** View -> its icon, in the order of the menu. */
const MENU = {
  overview: "gauge",
  sync: "refresh-cw",
  letters: "octagon-alert",
  terminals: "tablet",
  keys: "id-card",
  uns: "network",
  data: "database",
  backups: "hard-drive",
  reports: "clipboard-check",
  logs: "terminal",
  config: "settings",
  repairs: "wrench",
  support: "circle-help",
  about: "info",
};
const ALONE = ["login", "setup"];
const THEMES = ["dark", "light", "auto"];
const LOOK_EVERY_MS = 5_000;

class OpsApp extends LitElement {
  constructor() {
    super();
    this.t = t;
    this.session = new Session();
    this.overview = null;
    this.gone_since = null;
    this.view = null;
    this.name = "";
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.started ??= this.#start();
  }

  // ---------------------------------------------------------------- what views use

  /** `options`: of `Api.send`. */
  verb(name, given = {}, options = {}) {
    return this.#heard(this.session.api.post(`/verbs/${name}`, given, options));
  }

  /** A call of the REST API, as the admin who has signed in. */
  fn(method, path, body) {
    return this.#heard(this.session.api.send(method, `/fn${path}`, body));
  }

  go(name) {
    location.hash = `#/${name}`;
  }

  toast(text, tone = "green") {
    this.toasts.show(text, tone);
  }

  /** Does it, says that it is done, or why not. True when it went well. */
  async act(doing, done = "") {
    try {
      await doing();
      if (done) this.toast(done);
      return true;
    } catch (error) {
      if (error.status !== 401) this.toast(error.status ? error.message : t("ops.no_answer"), "red");
      return false;
    } finally {
      this.requestUpdate();
    }
  }

  /** After signing in. */
  async entered() {
    if (location.pathname.endsWith("/setup") && this.name !== "setup") history.replaceState(null, "", "/ops/");
    await this.look();
    await this.#show();
  }

  /** How things stand, now and every few seconds. */
  async look() {
    if (!this.session.signed_in) return;
    try {
      this.overview = await this.#heard(this.session.api.post("/verbs/ops.overview", {}));
    } catch {
      // what it means stands in `gone_since`, or the session has ended
    }
    this.requestUpdate();
  }

  // ---------------------------------------------------------------- the frame

  async #start() {
    await speak(spoken(kept("language"), ...navigator.languages));
    this.toasts = new Toasts(this.ownerDocument.body.appendChild(document.createElement("div")));
    document.documentElement.dataset.theme = THEMES.includes(kept("theme")) ? kept("theme") : "dark";
    document.title = t("ops.title");
    addEventListener("hashchange", () => this.#show());
    await this.session.load().catch(() => this.#lost());
    await this.look();
    await this.#show();
    setInterval(() => this.#tick(), LOOK_EVERY_MS);
  }

  async #tick() {
    const was_gone = this.gone_since !== null;
    if (!this.session.signed_in) {
      if (was_gone) await this.session.load().then(() => this.#show(), () => {});
      return;
    }
    await this.look();
    if (was_gone && this.gone_since === null) {
      await this.session.load().catch(() => {});
      await this.#show();
    }
  }

  async #show() {
    const asked = location.hash.replace(/^#\/?/, "").split("/");
    const setup = location.pathname.endsWith("/setup");
    const name = setup ? "setup" : this.session.signed_in ? (asked[0] in MENU ? asked[0] : "overview") : "login";
    const View = await this.#loaded(name);
    if (!View) return;
    this.view?.leave();
    this.view = new View(this, asked.slice(1).map(decodeURIComponent));
    this.name = name;
    this.requestUpdate();
    await this.view.begin();
    await this.updateComplete;
    this.querySelector("main h1")?.focus();
  }

  /** Its class; null while there is no gateway. After an update of the gateway the page itself is loaded anew. */
  async #loaded(name) {
    try {
      return (await import(`./views/${name}.js`)).default;
    } catch {
      await this.session.load().then(() => location.reload(), () => this.#lost());
      return null;
    }
  }

  async #heard(answer) {
    try {
      const told = await answer;
      this.gone_since = null;
      this.heard_at = Date.now();
      return told;
    } catch (error) {
      if (error.status === 0) this.#lost();
      else this.gone_since = null;
      if (error.status === 401 && this.session.signed_in) {
        this.session.ended();
        this.toast(t("ops.login.ended"), "amber");
        this.#show();
      }
      throw error;
    }
  }

  #lost() {
    this.gone_since ??= Date.now();
    this.requestUpdate();
  }

  async #leave() {
    await this.act(() => this.session.leave());
    this.overview = null;
    await this.#show();
  }

  async #speak(language) {
    keep("language", language);
    await speak(language);
    document.title = t("ops.title");
    this.requestUpdate();
  }

  #theme(theme) {
    keep("theme", theme);
    document.documentElement.dataset.theme = theme;
    this.requestUpdate();
  }

  render() {
    if (!this.view) return nothing;
    if (ALONE.includes(this.name)) {
      return html`<div class="ops-main">${this.#head()}${this.#gone()}
        <main class="ops-alone">${this.view.render()}</main></div>`;
    }
    return html`
      <div class="ops-page">
        <nav class="ops-side" aria-label=${t("ops.menu")}>
          <span class="name">${this.overview?.gateway ?? t("ops.title")}</span>
          ${Object.entries(MENU).map(([name, drawing]) => this.#link(name, drawing))}
        </nav>
        <div class="ops-main">
          ${this.#head()} ${this.#gone()} ${this.#paused()}
          <main class=${this.gone_since ? "stale" : ""}>
            <h1 tabindex="-1">${t(`ops.menu_${this.name}`)}</h1>
            ${this.view.render()}
          </main>
        </div>
      </div>
    `;
  }

  #link(name, drawing) {
    const n = needed(this.overview, name);
    const count = n ? html`<span class="count" aria-label=${t("ops.needs", { n })}>${n}</span>` : nothing;
    const here = name === this.name ? "page" : nothing;
    return html`<a href="/ops/#/${name}" aria-current=${here}>${icon(drawing)} ${t(`ops.menu_${name}`)} ${count}</a>`;
  }

  #head() {
    const chosen = (values, now, label, on, words) => html`
      <select class="select" aria-label=${label} @change=${(event) => on(event.target.value)}>
        ${values.map((one) => html`<option value=${one} ?selected=${one === now}>${words(one)}</option>`)}
      </select>`;
    const names = { en: "English", nl: "Nederlands", de: "Deutsch" };
    const theme = document.documentElement.dataset.theme;
    return html`
      <header class="ops-head">
        ${this.session.signed_in ? html`<span class="grow quiet">${t("ops.signed_in", { who: this.session.who })}</span>` : nothing}
        ${chosen(LANGUAGES, document.documentElement.lang, t("ops.language"), (one) => this.#speak(one), (one) => names[one])}
        ${chosen(THEMES, theme, t("ops.theme"), (one) => this.#theme(one), (one) => t(`ops.theme_${one}`))}
        ${this.session.signed_in
          ? html`<button class="button" @click=${() => this.#leave()}>${icon("log-out")} ${t("ops.leave")}</button>`
          : nothing}
      </header>
    `;
  }

  #gone() {
    if (!this.gone_since) return nothing;
    const at = this.heard_at ?? this.gone_since;
    return html`<div class="bar amber" role="status">
      ${icon("cloud-off")} ${t("ops.gone", { at: time(at), age: span((Date.now() - at) / 1000) })}
    </div>`;
  }

  #paused() {
    const paused = this.overview?.paused;
    if (!paused) return nothing;
    const resume = () => this.act(() => this.verb("queue.resume").then(() => this.look()), t("ops.sync.resumed"));
    return html`<div class="bar amber" role="status">
      ${icon("circle-pause")}
      <span class="grow">${t("ops.paused_bar", { by: paused.by, since: time(paused.since), reason: paused.reason })}</span>
      <button class="button" @click=${resume}>${icon("play")} ${t("ops.sync.resume")}</button>
    </div>`;
  }
}

customElements.define("ops-app", OpsApp);
