import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { number, span, t } from "shared/i18n.js";
import { PLACES, sentence, when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { state } from "../parts/table.js";

const GIB = 1024 ** 3;
const NAMED = ["cloud", "cloud-pull", "broker", "uns", "webhooks", "mqtt-publishers", "realtime", "machines", "terminals", "clock", "capacity", "housekeeping"];

/** One sentence of truth, then a card for each part of it. */
export default class Overview extends View {
  async read() {
    if (!this.app.overview) await this.app.look();
  }

  draw_it() {
    const { overview } = this.app;
    if (!overview) return html`<p class="quiet">${t("ops.reading")}</p>`;
    return html`
      <p class="ops-sentence" id="truth">${sentence(overview)}</p>
      ${this.needs(overview)}
      <h2>${t("ops.overview.queues")}</h2>
      <div class="ops-cards">${this.to_send(overview)} ${this.to_receive(overview)}</div>
      <h2>${t("ops.overview.parts")}</h2>
      <div class="ops-cards">
        ${this.core(overview)} ${this.disk(overview)}
        ${Object.entries(overview.links).filter(([name]) => !["cloud", "cloud-pull"].includes(name)).map(([name, one]) => this.link(name, one))}
      </div>
    `;
  }

  needs({ needs_you, problems }) {
    if (!needs_you.length && !problems.length) return nothing;
    return html`<ul class="column">
      ${needs_you.map(
        ({ what, count }) =>
          html`<li class="row"><span class="tone-amber">${icon("triangle-alert")}</span>
            <a href="/ops/#/${PLACES[what]}">${t(`ops.need.${what}`, { n: count })}</a></li>`,
      )}
      ${problems.map((text) => html`<li class="row"><span class="tone-red">${icon("circle-x")}</span> ${text}</li>`)}
    </ul>`;
  }

  to_send({ state: how, to_send, links }) {
    const facts = [
      [t("ops.overview.waiting"), number(to_send.pending)],
      [t("ops.overview.oldest"), to_send.pending ? span(to_send.oldest_s) : "–"],
      [t("ops.overview.sent"), number(to_send.sent)],
      [t("ops.overview.set_aside"), number(to_send.parked)],
    ];
    if (to_send.percent !== null) facts.push([t("ops.overview.progress"), `${number(to_send.percent)} %`]);
    if (how === "sending" && to_send.eta_s) facts.push([t("ops.overview.left"), span(to_send.eta_s)]);
    return this.card(t("ops.overview.to_send"), links.cloud, facts);
  }

  to_receive({ to_receive }) {
    if (!to_receive) return nothing;
    const facts = to_receive.mode ? [[t("ops.overview.mode"), t(`ops.overview.mode_${to_receive.mode}`)]] : [];
    return this.card(t("ops.overview.to_receive"), to_receive, facts);
  }

  core({ status, version, epoch, journal_head, clock_trusted }) {
    const facts = [
      [t("ops.overview.version"), version],
      [t("ops.overview.journal"), number(journal_head)],
      [t("ops.overview.epoch"), String(epoch)],
      [t("ops.overview.clock"), t(clock_trusted ? "ops.overview.clock_good" : "ops.overview.clock_bad")],
    ];
    return this.card(t("ops.overview.core"), { state: status === "ok" ? "up" : "degraded" }, facts);
  }

  disk({ disk }) {
    const free = t("ops.overview.gib", { free: number(disk.free_bytes / GIB, 1), total: number(disk.total_bytes / GIB, 1) });
    return this.card(t("ops.overview.disk"), { state: disk.free_bytes > GIB ? "up" : "degraded" }, [[t("ops.overview.free"), free]]);
  }

  link(name, link) {
    const facts = "pending" in link ? [[t("ops.overview.waiting"), number(link.pending)]] : [];
    return this.card(NAMED.includes(name) ? t(`ops.link.${name}`) : name, link, facts);
  }

  card(title, link, facts) {
    return html`<section class="card">
      <h3>${title}</h3>
      <p>${state(link?.state ?? "off")} ${link?.since ? html`<span class="quiet">${t("ops.since", { since: when(link.since) })}</span>` : nothing}</p>
      ${link?.error ? html`<p class="quiet">${link.error}</p>` : nothing}
      ${facts.map(([name, value]) => html`<p><span class="quiet">${name}</span> ${value}</p>`)}
    </section>`;
  }
}
