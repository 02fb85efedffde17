/** Two links, one badge: terminal to gateway, gateway to cloud. Always there; a button that tells the details. */

import { LitElement, html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { day, span, t, time } from "shared/i18n.js";
import { openDialog } from "shared/dialog.js";

const CLOCK_OFF_MS = 60_000;
const DAY_MS = 24 * 3_600_000;
const LOOKS_MS = 5_000;

/**
 * What the badge says. Red wins over amber, amber over what the cloud does. Pure.
 * @returns {{key: string, values: object, tone: "quiet" | "neutral" | "amber" | "red", icon: string}}
 */
export function standing({ attention, waiting, link }) {
  const cloud = link.cloud ?? {};
  const refused = attention + (cloud.parked ?? 0);
  const pending = cloud.pending ?? 0;
  if (refused > 0) return { key: "attention", values: { n: refused }, tone: "red", icon: "circle-alert" };
  if (link.gateway === "down") return { key: waiting ? "no_gateway" : "no_gateway_idle", values: { n: waiting }, tone: "amber", icon: "wifi-off" };
  if (link.gateway === "unknown") return { key: "connecting", values: {}, tone: "quiet", icon: "wifi" };
  if (cloud.state === "down" || (cloud.state === "off" && pending > 0)) { // off with something waiting: somebody has paused it
    return { key: pending ? "cloud_down" : "cloud_down_idle", values: { n: pending, since: cloud.since }, tone: "neutral", icon: "cloud-off" };
  }
  if (pending + waiting > 0) return { key: "sending", values: { n: pending + waiting }, tone: "quiet", icon: "send" };
  return { key: "online", values: {}, tone: "quiet", icon: "wifi" };
}

/** 07:12, with the day when it is not today. */
export function moment(at, now) {
  return now - Date.parse(at) > DAY_MS ? `${day(at)} ${time(at)}` : time(at);
}

class TerminalBadge extends LitElement {
  static properties = { app: { attribute: false }, language: {} };

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.redraw = () => this.requestUpdate();
    for (const one of [this.app.store, this.app.outbox]) one.addEventListener("change", this.redraw);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const one of [this.app.store, this.app.outbox]) one.removeEventListener("change", this.redraw);
  }

  render() {
    const { store, outbox, attention, clock, identity } = this.app;
    if (!identity) return nothing;
    const said = standing({ attention, waiting: outbox.waiting.length, link: store.link });
    const values = said.values.since ? { ...said.values, since: moment(said.values.since, clock.now()) } : said.values;
    const off_ms = Math.abs(clock.offset_ms ?? 0);
    const note = off_ms > CLOCK_OFF_MS ? html`<small class="badge-note">${t("badge.clock", { span: span(off_ms / 1000) })}</small>` : nothing;
    return html`<div role="status">
      <button class="button badge badge-${said.tone}" data-state=${said.key} @click=${() => this.#details()}>
        ${icon(said.icon)} <span class="badge-text">${t(`badge.${said.key}`, values)} ${note}</span>
      </button>
    </div>`;
  }

  async #details() {
    const { app } = this;
    const go = await openDialog({
      label: t("badge.details"),
      content: (close) => html`
        <h2>${t("badge.details")}</h2>
        <dl class="facts">${facts(app).map(([name, value]) => html`<dt class="quiet">${name}</dt><dd>${value}</dd>`)}</dl>
        <div class="dialog-buttons">
          ${app.attention || app.outbox.waiting.length
            ? html`<button class="button" @click=${() => close("#/attention")}>${t("attention.title")}</button>`
            : nothing}
          <button class="button primary" @click=${() => close()}>${t("common.close")}</button>
        </div>
      `,
    });
    if (go) app.go(go);
  }
}

/** Both links, the oldest change that waits at each, and where work is kept. */
function facts(app) {
  const { store, outbox, clock, db } = app;
  const { link } = store;
  const now = clock.now();
  const cloud = link.cloud ?? {};
  const oldest_ms = outbox.oldest_age_ms;
  const gateway = store.gateway?.id ?? store.gateway ?? "";
  return [
    [t("badge.to_gateway"), t(`badge.link_${link.gateway}`, { since: moment(new Date(link.since).toISOString(), now) })],
    [t("badge.heard"), link.heard_at ? t("badge.ago", { span: span((now - link.heard_at) / 1000) }) : "–"],
    [t("badge.on_screen"), waits(outbox.waiting.length, oldest_ms === null ? null : oldest_ms / 1000)],
    [t("badge.to_cloud"), cloud.state ? t(cloud.state === "down" ? "badge.cloud_down_state" : `badge.cloud_${cloud.state}`, { since: cloud.since ? moment(cloud.since, now) : "" }) : "–"],
    [t("badge.on_gateway"), waits(cloud.pending ?? 0, cloud.oldest_s ?? null)],
    [t("badge.kept"), t(kept(link, outbox, db), { gateway })],
    [t("badge.reload"), t(app.protected ? "badge.reload_on" : "badge.reload_off")],
  ];
}

function waits(n, oldest_s) {
  if (n === 0) return t("badge.nothing");
  return oldest_s === null ? t("badge.waiting", { n }) : t("badge.waiting_since", { n, span: span(oldest_s) });
}

function kept(link, outbox, db) {
  if (!db.durable) return "badge.kept_nowhere";
  if (outbox.waiting.length > 0) return "badge.kept_screen";
  const passed_on = link.cloud?.state === "up" && !link.cloud.pending;
  return passed_on ? "badge.kept_both" : "badge.kept_gateway";
}

customElements.define("terminal-badge", TerminalBadge);
