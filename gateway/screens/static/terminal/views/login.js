/** Who works here: a tile, a badge or a number, then a PIN. Also: going on after a lock, and changing over to somebody else. */

import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { icon } from "shared/icon.js";
import { span, t } from "shared/i18n.js";
import "../parts/pin.js";

const TILES_MAX = 12;
const FOUND_MAX = 24;
const TICK_MS = 1_000;

/** `who`: {operator?, badge?, session?} once somebody is chosen; `choosing`: the new PIN, typed once (null: not yet). */
const fresh = () => ({ who: null, text: "", said: "", locked_until: 0, busy: false, setting: false, choosing: null, others: false });
const state = fresh();
let ticking = null;

export function render(app) {
  if (app.asked_for) {
    choose(app, { operator: app.asked_for });
    app.asked_for = null;
  }
  const { locked } = app.sessions;
  if (!state.who && locked && !state.others) state.who = { session: locked, operator: locked };
  return html`<section class="login column">${state.who ? pinned(app) : tiles(app)}</section>`;
}

export function header() {
  return html`<h1 class="grow header-title">${state.who ? named(state.who) : t("login.title")}</h1>`;
}

export function leave() {
  clearInterval(ticking);
  Object.assign(state, fresh());
}

/** A badge: whose it is we may know; the gateway does. */
export function scan(app, text) {
  const operator = app.store.operators.find((one) => same(one.employee_id, text) || same(one.id, text));
  choose(app, operator ? { operator, badge: text } : { badge: text });
  if (app.store.policy?.badge_only) login(app, "");
  return true;
}

function same(one, other) {
  return String(one ?? "").replace(/\s+/g, "").toUpperCase() === other.toUpperCase();
}

function named({ operator, session, badge }) {
  return operator?.name ?? session?.name ?? t("login.badge", { badge });
}

// ------------------------------------------------------------------ who

function tiles(app) {
  const { operators, policy } = app.store;
  const wanted = state.text.trim().toUpperCase();
  const fits = (one) => [one.name, one.employee_id].some((text) => String(text ?? "").toUpperCase().includes(wanted));
  const found = wanted ? operators.filter(fits).slice(0, FOUND_MAX) : operators.slice(0, TILES_MAX);
  const typed = (event) => {
    state.text = event.target.value;
    app.requestUpdate();
  };
  const enter = (event) => {
    event.preventDefault();
    const exact = operators.filter((one) => same(one.employee_id, wanted));
    const [only] = exact.length > 0 ? exact : found;
    if (only && (exact.length === 1 || found.length === 1)) choose(app, { operator: only });
    else if (wanted && found.length === 0) scan(app, wanted);
  };
  return html`
    ${app.store.link.gateway === "down" ? html`<p class="bar amber">${icon("wifi-off")} <span>${t("login.no_gateway")}</span></p>` : nothing}
    ${app.sessions.active ? own(app, app.sessions.active) : nothing}
    <form class="row" role="search" @submit=${enter}>
      <label class="grow"><span class="label">${t("login.search")}</span>
        <input class="field" type="search" name="who" autocomplete="off" .value=${state.text} @input=${typed}></label>
    </form>
    <ul class="tiles">${repeat(found, (one) => one.id, (one) => tile(app, one))}</ul>
    ${found.length === 0 ? html`<p>${wanted ? t("login.nobody_found", { text: state.text }) : t("login.nobody")}</p>` : nothing}
    ${!wanted && operators.length > TILES_MAX ? html`<p class="quiet">${t("login.more", { n: operators.length - TILES_MAX })}</p>` : nothing}
    <p class="quiet">${icon("id-card")} ${t(policy?.badge_only ? "login.scan_only" : "login.scan")}</p>
  `;
}

/** Of the one who works here now. */
function own(app, active) {
  const out = () => app.sessions.logout(active.id).catch((error) => app.toast(told(error), "red"));
  return html`<div class="row">
    <a class="button" href="#/activity">${icon("activity")} <span>${t("activity.title")}</span></a>
    <button class="button" @click=${out}>${icon("log-out")} <span>${t("login.sign_out")}</span></button>
  </div>`;
}

function tile(app, operator) {
  const session = app.sessions.list.find((one) => one.operator_id === operator.id);
  const active = app.sessions.active?.operator_id === operator.id;
  return html`<li>
    <button class="tile person" @click=${() => choose(app, { operator, session })}>
      <span class="initials" aria-hidden="true">${operator.initials}</span>
      <span class="grow"><strong>${operator.name}</strong>
        <span class="quiet">${active ? t("login.works_here") : session ? t("login.signed_in") : (operator.employee_id ?? "")}</span></span>
    </button>
  </li>`;
}

function choose(app, who) {
  if (who.session && app.sessions.active?.id === who.session.id) {
    app.go("#/queue");
    return;
  }
  clearInterval(ticking);
  const setting = who.operator?.has_pin === false && !who.session && !(who.badge && app.store.policy?.badge_only);
  Object.assign(state, fresh(), { who, setting });
  app.requestUpdate();
}

// ------------------------------------------------------------------ the PIN

function pinned(app) {
  const { session, operator } = state.who;
  const locked_s = Math.max(0, Math.ceil((state.locked_until - app.clock.steady()) / 1000));
  const pin = (event) => {
    const given = event.detail.pin;
    event.target.clear();
    if (state.setting) setPin(app, given);
    else login(app, given);
  };
  const back = () => {
    Object.assign(state, fresh(), { others: true });
    app.requestUpdate();
  };
  const out = async () => {
    try {
      await app.sessions.logout(session.id);
      back();
    } catch (error) {
      say(app, told(error));
    }
  };
  const asked = state.setting ? t(state.choosing ? "login.pin_again" : "login.pin_new") : t("login.pin");
  return html`
    <div class="login-pin">
      <h2>${session ? t("login.continue", { name: named(state.who) }) : named(state.who)}</h2>
      <p>${asked}</p>
      <p class="tone-red" role="alert">${locked_s > 0 ? t("login.locked") : state.said}</p>
      ${locked_s > 0
        ? html`<p class="number" data-locked>${span(locked_s)}</p>`
        : html`<terminal-pin .scanner=${app.scanner} .label=${asked} ?busy=${state.busy} @pin=${pin}></terminal-pin>`}
      <div class="row">
        <button class="button" @click=${back}>${icon("users")} ${t("login.someone_else")}</button>
        ${session && operator ? html`<button class="button" @click=${out}>${icon("log-out")} ${t("login.sign_out")}</button>` : nothing}
      </div>
    </div>
  `;
}

async function login(app, pin) {
  const { operator, badge, session } = state.who;
  state.busy = true;
  say(app, "");
  try {
    if (session) await app.sessions.unlock(session.id, pin);
    else await app.sessions.login(badge ? { badge } : { operator_id: operator.id }, pin);
    Object.assign(state, fresh());
    app.go("#/queue");
  } catch (error) {
    failed(app, error, pin);
  } finally {
    state.busy = false;
    app.requestUpdate();
  }
}

function failed(app, error, pin) {
  const { session, operator } = state.who;
  if (session && (error.status === 404 || error.code === "SESSION_ENDED")) {
    app.sessions.forget(session.id); // it has ended on the gateway: signed in anew, with the same PIN
    state.who = { operator: app.store.operators.find((one) => one.id === session.operator_id) ?? { ...session, id: session.operator_id } };
    login(app, pin);
    return;
  }
  if (error.code === "PIN_LOCKED") lock(app, error.details?.locked_for_s ?? 0);
  if (error.code === "PIN_NOT_SET" && operator) Object.assign(state, { setting: true, choosing: null });
  say(app, told(error));
}

function told(error) {
  const { code, details, status, message } = error;
  if (status === 0) return t("login.no_gateway");
  if (code === "PIN_WRONG") return t("login.pin_wrong", { n: details?.attempts_left ?? 0 });
  const known = { PIN_LOCKED: "locked", OPERATOR_INACTIVE: "inactive", OPERATOR_UNKNOWN: "unknown", PIN_NOT_SET: "pin_not_set" };
  return known[code] ? t(`login.${known[code]}`) : message;
}

/** Counts down before everybody's eyes; read out once. */
function lock(app, for_s) {
  state.locked_until = app.clock.steady() + for_s * 1000;
  clearInterval(ticking);
  ticking = setInterval(() => {
    if (state.locked_until <= app.clock.steady()) {
      clearInterval(ticking);
      state.said = "";
    }
    app.requestUpdate();
  }, TICK_MS);
}

/** Typed twice, alike. Who may set one the gateway says: a supervisor who works here, or anybody just after pairing. */
async function setPin(app, pin) {
  if (!state.choosing) {
    state.choosing = pin;
    return say(app, "");
  }
  const same_twice = state.choosing === pin;
  state.choosing = null;
  if (!same_twice) return say(app, t("login.pin_differs"));
  try {
    await app.api.post("/pins", { operator_id: state.who.operator.id, pin, session: app.sessions.active?.id ?? null });
    state.setting = false;
    return login(app, pin);
  } catch (error) {
    state.setting = false;
    return say(app, error.status === 403 ? t("login.pin_supervisor") : told(error));
  }
}

function say(app, text) {
  state.said = text;
  app.requestUpdate();
}
