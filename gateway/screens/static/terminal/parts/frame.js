/** What stands around every view: the header with the badge, bars for what nobody may miss, the running timers. */

import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";
import "./badge.js";
import "./clock.js";

const WITHOUT_OPERATOR = new Set(["login", "pair", "board"]);

export function header(app, name) {
  const { active } = app.sessions;
  const left = app.current?.header?.(app) ?? html`<h1 class="grow header-title">${t(`${name}.title`)}</h1>`;
  const back = app.current?.back?.(app);
  const leads_back = !WITHOUT_OPERATOR.has(name) && name !== "queue";
  return html`
    <header class="header">
      ${leads_back ? html`<a class="button" href=${back ?? "#/queue"}>${icon("arrow-left")} <span>${t(back ? "common.back" : "common.queue")}</span></a>` : nothing}
      ${left}
      <terminal-badge .app=${app} .language=${app.speaks}></terminal-badge>
      ${active && name !== "board" ? operator(app, active) : nothing}
      <terminal-clock .clock=${app.clock} .language=${app.speaks}></terminal-clock>
    </header>
  `;
}

function operator(app, active) {
  return html`<button class="button operator" @click=${() => app.go("#/login")} aria-label=${t("common.operator", { name: active.name })}>
    ${icon("user")} <span>${active.name}</span>
  </button>`;
}

export function bars(app) {
  const found = [];
  if (!app.db.durable) found.push(html`<div class="bar red" role="alert">${icon("hard-drive")} <span>${t("common.not_stored")}</span></div>`);
  if (app.outdated && app.outbox.idle) found.push(newVersion());
  if (app.sessions.read_only) found.push(html`<div class="bar amber" role="status">${icon("lock")} <span>${t("common.read_only")}</span></div>`);
  return found;
}

/** Once everything is sent; somebody decides when. */
function newVersion() {
  return html`<div class="bar amber" role="status">
    ${icon("refresh-cw")} <span class="grow">${t("common.new_version")}</span>
    <button class="button" @click=${() => location.reload()}>${t("common.reload")}</button>
  </div>`;
}

/** My running timers, once somebody works here; `timers` is their module, when it is there. */
export function footer(app, name, timers) {
  if (WITHOUT_OPERATOR.has(name)) return nothing;
  return html`<footer class="footer">${timers ? timers.render(app) : nothing}</footer>`;
}

export function missing(app) {
  return html`<p class="bar amber">
    ${icon("triangle-alert")} <span class="grow">${t("common.view_missing")}</span>
    <button class="button" @click=${() => app.loadAgain()}>${t("common.again")}</button>
  </p>`;
}

export function elsewhere() {
  return html`<main class="main centred"><h1>${t("common.elsewhere")}</h1><p>${t("common.elsewhere_what")}</p></main>`;
}
