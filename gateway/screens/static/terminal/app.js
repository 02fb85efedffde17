/**
 * The terminal: starts its parts, draws the frame around the view that the address names (`#/queue`, `#/operation/<id>` ...), and is
 * the `app` that views get.
 *
 * A view is `views/<name>.js` with `render(app)`. It may also export `leave(app)` (another view comes), `scan(app, text)` (true: it
 * was meant for it), `header(app)` (the left part of the header), `back(app)` (where its way back leads, if not to the queue) and
 * `primary(app)` (what the foot pedal presses).
 */

import { LitElement, html, nothing } from "lit";
import { Api } from "shared/api.js";
import { confirm, dialogOpen, openDialog } from "shared/dialog.js";
import { LANGUAGES, fetchWords, speak, spoken, t } from "shared/i18n.js";
import { Toasts } from "shared/toast.js";
import { act } from "./core/acting.js";
import { Clock } from "./core/clock.js";
import { openDb } from "./core/db.js";
import { Leader } from "./core/leader.js";
import { Outbox } from "./core/outbox.js";
import { Photos } from "./core/photos.js";
import { Reporting } from "./core/reporting.js";
import { Scanner } from "./core/scanner.js";
import { Sessions } from "./core/sessions.js";
import { Store } from "./core/store.js";
import * as frame from "./parts/frame.js";
import { scanned } from "./parts/scans.js";

const BUILD = document.querySelector('meta[name="build"]').content;
const BOARD = "/terminal/board";
const VIEWS = ["pair", "login", "queue", "operation", "quantity", "issue", "checklist", "documents", "activity", "attention", "board"];
const TIMERS = "parts/timers";
const TAP_AGAIN_MS = 400; // a second tap on the same control within is a tremor
const LOADS_AHEAD_MS = 500; // after the first screen

export class TerminalApp extends LitElement {
  constructor() {
    super();
    this.views = new Map();
    this.t = t;
    this.clock = new Clock();
    this.build = null;
    this.shows = "starting";
    /** Is everything here that may be wanted while there is no gateway? */
    this.complete = false;
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.started ??= this.#start();
  }

  // ---------------------------------------------------------------- what views use

  /** {name, id, rest}: where we are; `rest` is what a view makes of it. */
  get route() {
    const [name, id, rest] = location.hash.replace(/^#\/?/, "").split("/");
    const said = (part) => (part ? decodeURIComponent(part) : null);
    return { name: location.pathname === BOARD ? "board" : name || "queue", id: said(id), rest: said(rest) };
  }

  go(hash) {
    if (location.hash !== hash) location.hash = hash;
    else this.requestUpdate();
  }

  /**
   * Does something: into the outbox, with the bar for undo where it has a window. False when it was not done.
   * @param {{type: string, operation_id?: string, payload?: object}} command
   * @param {{undo_s?: number, done?: string, photos?: Blob[], tone?: string}} [options] `done` is what the bar says
   */
  act(command, options) {
    return act(this, command, options);
  }

  confirm(asked) {
    return confirm(asked);
  }

  dialog(wanted) {
    return openDialog(wanted);
  }

  toast(text, tone, options) {
    return this.toasts.show(text, tone, options);
  }

  /** Has this screen to be looked at by somebody? */
  get attention() {
    return this.outbox.refused.length + this.outbox.waiting.filter((one) => one.asks_login).length;
  }

  /** The gateway has another build than this page. */
  get outdated() {
    return (this.build ?? BUILD) !== BUILD;
  }

  // ---------------------------------------------------------------- start

  async #start() {
    this.db = await openDb();
    this.clock.offset_ms = (await this.db.get("kept", "offset_ms")) ?? null;
    this.identity = (await this.db.get("kept", "identity")) ?? null; // {key, terminal}
    await this.#speak(this.identity?.terminal?.language);
    this.api = new Api("/terminal/api", () => (this.identity ? { Authorization: `Bearer ${this.identity.key}` } : {}));
    this.sessions = new Sessions(this);
    this.outbox = new Outbox({
      db: this.db,
      clock: this.clock,
      send: (command) => this.api.post("/commands", command, { headers: { "Idempotency-Key": command.id } }),
      session: () => this.sessions.active,
    });
    this.store = new Store(this);
    this.photos = new Photos({ db: this.db, put: (issue_id, n, blob) => this.api.put(`/issues/${issue_id}/photos/${n}`, blob) });
    this.scanner = new Scanner(window);
    this.reporting = new Reporting(this);
    this.#listen();
    this.#theme();
    if (this.route.name === "board") await this.#board();
    else this.#elect();
    this.requestUpdate();
  }

  #listen() {
    const draw = () => this.requestUpdate();
    for (const one of [this.store, this.outbox, this.sessions, this.db, this.photos]) one.addEventListener("change", draw);
    addEventListener("hashchange", () => this.#moved());
    addEventListener("keydown", (event) => this.#pedal(event));
    addEventListener("click", (event) => this.#steady(event), { capture: true });
    this.api.addEventListener("build", ({ detail }) => {
      this.build = detail;
      draw();
    });
    this.scanner.addEventListener("scan", ({ detail }) => this.#scanned(detail.text));
    this.sessions.addEventListener("in", ({ detail }) => this.outbox.adopt(detail.session));
    this.sessions.addEventListener("change", () => this.#speak(this.sessions.active?.language));
    this.outbox.addEventListener("unsent", ({ detail }) => detail.status === 0 && this.store.probe());
    this.outbox.addEventListener("refused", ({ detail }) => this.toast(t("attention.refused", { why: detail.command.reason.message }), "red"));
    this.outbox.addEventListener("login", ({ detail }) => this.#asked(detail.code));
    this.outbox.addEventListener("done", ({ detail: { command, result } }) => {
      const issue_id = result?.result?.issue_id;
      if (issue_id && command.payload.photos > 0) this.photos.follow(command.id, issue_id, command.payload.photos);
    });
    this.store.addEventListener("up", () => {
      this.photos.flush();
      this.loadAgain();
      setTimeout(() => this.#loadAhead(), LOADS_AHEAD_MS);
    });
    this.store.addEventListener("identify", () => this.#identify());
    this.store.addEventListener("terminal", () => this.#terminal());
    this.store.addEventListener("unpaired", ({ detail }) => this.#unpaired(detail.code));
    this.store.addEventListener("overruled", ({ detail }) => this.toast(detail.by ? t("common.overruled_by", detail) : t("common.overruled", detail), "amber"));
  }

  #elect() {
    const leader = new Leader();
    leader.addEventListener("change", () => (leader.leads ? this.#lead() : this.#follow()));
    if (leader.leads) this.#lead(); // nobody can be asked
  }

  /** A board on the wall only shows: it may stand beside a terminal, and sends nothing. */
  async #board() {
    this.shows = "work";
    this.#keepShell();
    if (this.identity) await this.store.start(this.identity.terminal);
  }

  /** This tab works; others only say so. */
  async #lead() {
    if (!this.outbox.running) await this.outbox.load();
    await this.sessions.load();
    await this.photos.load();
    this.shows = "work"; // not before it is known who works here: the login would be fetched and shown for nothing
    this.#keepShell();
    if (this.identity) await this.#paired();
    else if (this.route.name !== "pair") this.go("#/pair"); // with its code, it stays as it is
    this.requestUpdate();
  }

  #follow() {
    this.shows = "elsewhere";
    this.outbox.stop();
    this.store.stop();
    this.requestUpdate();
  }

  async #paired() {
    await this.store.start(this.identity.terminal);
    if (this.route.name === "board") return;
    this.reporting.start();
  }

  /** Called by the view that pairs. */
  async pair(identity) {
    this.identity = identity;
    await this.db.put("kept", identity, "identity").catch(() => {}); // then it is asked for again after a reload
    await this.#terminal();
    this.outbox.running = true;
    await this.#paired();
    this.go("#/login");
  }

  /** The gateway does not know this screen: what waits here stays. */
  async #unpaired(code) {
    if (!this.identity) return;
    this.identity = null;
    this.outbox.running = false;
    this.reporting.stop();
    this.sessions.clear();
    await this.db.delete("kept", "identity").catch(() => {}); // it is told so once more
    this.toast(t("pair.ended", { code }), "red");
    this.go("#/pair");
  }

  /** The gateway did not take a command for want of who sends it. */
  #asked(code) {
    if (code === "TERMINAL_UNKNOWN") this.store.unpaired(code);
    else this.toast(t("attention.login"), "amber");
  }

  async #terminal() {
    const { terminal } = this.store;
    if (terminal && this.identity) {
      this.identity = { ...this.identity, terminal };
      await this.db.put("kept", this.identity, "identity").catch(() => {}); // as above
    }
    this.#theme();
    await this.#speak(this.sessions.active?.language);
    document.title = terminal?.name ?? t("common.title");
  }

  #theme() {
    const theme = this.identity?.terminal?.theme;
    document.documentElement.dataset.theme = ["dark", "light", "auto", "sunlight"].includes(theme) ? theme : "dark";
  }

  async #speak(wanted) {
    const language = spoken(wanted, this.identity?.terminal?.language, navigator.language);
    if (language === this.speaks) return;
    this.speaks = language;
    await speak(language).catch(() => (this.speaks = null)); // no gateway: in the words that are here
    this.requestUpdate();
  }

  // ---------------------------------------------------------------- events

  #moved() {
    this.current?.leave?.(this);
    this.current = null;
    this.requestUpdate();
    this.updateComplete.then(() => this.querySelector("main")?.focus({ preventScroll: true }));
  }

  /** Fingers tremble, keyboards do not: those of a key have no `detail`. */
  #steady(event) {
    const control = event.target.closest?.("button, a, [role=button]");
    if (event.detail === 0 || !control || control.dataset.repeats !== undefined) return;
    const again = control === this.tapped && event.timeStamp - this.tapped_ms < TAP_AGAIN_MS;
    this.tapped = control;
    this.tapped_ms = event.timeStamp;
    if (again) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }

  /** A foot pedal is a keyboard with one key, named by the site. */
  #pedal(event) {
    if (event.repeat || event.key !== this.store.policy?.pedal_key || dialogOpen()) return;
    event.preventDefault();
    this.current?.primary?.(this);
  }

  async #scanned(text) {
    if (this.shows !== "work" || dialogOpen()) return;
    if (await this.current?.scan?.(this, text)) return;
    if (this.identity && this.sessions.active) await scanned(this, text);
  }

  /** Views that come later, and the other languages: there may be no gateway then. */
  async #loadAhead() {
    if (this.complete || this.route.name === "board") return;
    const words = LANGUAGES.map((language) => fetchWords(language));
    const said = await Promise.allSettled(words);
    for (const path of [TIMERS, ...VIEWS.filter((name) => name !== "board").map((name) => `views/${name}`)]) await this.#load(path);
    this.complete = said.every((one) => one.status === "fulfilled") && [...this.views.values()].every(Boolean);
  }

  /** Only where the browser lets it: not on a plain LAN address. */
  #keepShell() {
    if (!window.isSecureContext || !navigator.serviceWorker) return;
    navigator.serviceWorker.register("/terminal/sw.js", { scope: "/terminal/", updateViaCache: "none" }).catch((error) => {
      console.warn("this page does not survive a reload without a gateway", error.message);
    });
  }

  /** Does the page open without a gateway? */
  get protected() {
    return Boolean(navigator.serviceWorker?.controller);
  }

  // ---------------------------------------------------------------- drawing

  /** Loads a module of the page once: null while it is on its way, false when it cannot be had. */
  async #load(path) {
    if (this.views.has(path)) return;
    this.views.set(path, null);
    try {
      this.views.set(path, await import(`./${path}.js`));
    } catch (error) {
      this.views.set(path, false);
      console.warn(`${path} cannot be had`, error.message);
    }
    this.requestUpdate();
  }

  /** There may be a gateway again. */
  loadAgain() {
    for (const [path, view] of this.views) if (view === false) this.views.delete(path);
    this.requestUpdate();
  }

  render() {
    if (this.shows === "starting") return nothing;
    if (this.shows === "elsewhere") return frame.elsewhere();
    const name = this.#name();
    const path = `views/${name}`;
    const view = this.views.get(path);
    this.current = view || null;
    const timers = this.views.get(TIMERS);
    if (view === undefined) this.#load(path);
    if (timers === undefined && this.sessions.active) this.#load(TIMERS);
    return html`
      ${frame.header(this, name)} ${frame.bars(this)}
      <main class="main" tabindex=${name === "board" ? "0" : "-1"}>${view ? view.render(this) : view === false ? frame.missing(this) : nothing}</main>
      ${frame.footer(this, name, timers)}
    `;
  }

  /** What is shown, whatever the address says: who may see it decides. */
  #name() {
    const { name } = this.route;
    if (!this.identity) return "pair";
    if (name === "board") return "board";
    if (!this.sessions.active || name === "pair") return "login";
    return VIEWS.includes(name) ? name : "queue";
  }

  /** Somebody on the operations page wants to know which screen this is. */
  #identify() {
    openDialog({
      label: t("common.identify"),
      content: (close) => html`<h1>${this.store.terminal?.name}</h1><p>${t("common.identify")}</p>
        <div class="dialog-buttons"><button class="button primary" @click=${() => close()}>${t("common.ok")}</button></div>`,
    });
  }

  firstUpdated() {
    const place = document.createElement("div");
    document.body.append(place);
    this.toasts = new Toasts(place);
  }
}

customElements.define("terminal-app", TerminalApp);
