import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { number, t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { ask, choice, input, tell } from "../parts/ask.js";
import { pair } from "../parts/pairing.js";
import { table } from "../parts/table.js";

const LANGUAGES = ["en", "nl", "de"];

/** Stations and machines: who is there, who may come in. */
export default class Terminals extends View {
  every_ms = 10_000;

  async read() {
    const [terminals, cells, devices, machines] = await Promise.all([
      this.app.fn("GET", "/api-terminals"),
      this.app.fn("GET", "/api-cells?limit=100"),
      this.app.verb("uns.devices.list"),
      this.app.verb("machines.list", { all: false }),
    ]);
    Object.assign(this, { terminals: terminals.terminals, cells: cells.cells, devices, machines });
  }

  async pair() {
    if (await pair(this.app)) await this.again();
  }

  async change(one) {
    const given = await ask({
      title: t("ops.terminals.change_one", { name: one.name }),
      yes: t("ops.save"),
      fields: html`
        ${input("name", t("ops.terminals.name"), { value: one.name, required: true })}
        ${choice("cell_id", t("ops.terminals.cell"), ["", ...this.cells.map((cell) => cell.id)], {
          value: one.cell_id ?? "",
          words: (id) => this.cell(id),
        })}
        ${choice("language", t("ops.language"), LANGUAGES, { value: one.language ?? "en" })}
      `,
    });
    if (!given) return;
    const body = { ...given, cell_id: given.cell_id || null };
    await this.act(() => this.app.fn("PATCH", `/api-terminals/${one.id}`, body), t("ops.done"));
  }

  async revoke(one) {
    const given = await ask({
      title: t("ops.terminals.revoke_one", { name: one.name }),
      text: t("ops.terminals.revoke_what", { n: one.seen.waiting ?? 0 }),
      yes: t("ops.terminals.revoke"),
      danger: true,
    });
    if (given) await this.act(() => this.app.fn("DELETE", `/api-terminals/${one.id}`), t("ops.terminals.revoked", { name: one.name }));
  }

  async let_in(device, verb) {
    const given = await ask({
      title: t(`ops.devices.${verb}_one`, { device }),
      text: t(`ops.devices.${verb}_what`),
      yes: t(`ops.devices.${verb}`),
      danger: verb !== "add",
    });
    if (!given) return;
    let made = null;
    if (!(await this.act(async () => (made = await this.app.verb(`uns.devices.${verb}`, { device }))))) return;
    if (made.password) {
      await tell({ title: t("ops.devices.password_of", { device }), text: [t("ops.keys.only_now"), ...made.notes].join(" "), secret: made.password });
    }
  }

  async pin() {
    const given = await ask({
      title: t("ops.terminals.pin"),
      text: t("ops.terminals.pin_what"),
      yes: t("ops.terminals.pin"),
      fields: html`
        ${input("operator", t("ops.terminals.operator"), { required: true, about: t("ops.terminals.operator_about") })}
        ${input("pin", "PIN", { type: "password", required: true })}
      `,
    });
    if (given) await this.act(() => this.app.verb("terminals.pin", given), t("ops.terminals.pin_set", { operator: given.operator }));
  }

  cell(id) {
    return this.cells.find((one) => one.id === id)?.name ?? t("ops.terminals.every_cell");
  }

  draw_it() {
    const heads = ["name", "cell", "seen", "version", "reload", "waiting", "battery", ""].map((one) => one && t(`ops.head.${one}`));
    return html`
      <div class="row">
        <button class="button primary" @click=${() => this.pair()}>${icon("qr-code")} ${t("ops.terminals.pair")}</button>
        <button class="button" @click=${() => this.pin()}>${icon("lock")} ${t("ops.terminals.pin")}</button>
        <a class="button" href="/trust">${icon("shield")} ${t("ops.terminals.trust")}</a>
      </div>
      ${table(t("ops.terminals.stations"), heads, this.terminals.map((one) => this.terminal(one)), t("ops.terminals.none"))}
      <h2>${t("ops.devices.title")}</h2>
      ${this.device_table()} ${this.quarantines()}
    `;
  }

  terminal(one) {
    const { build, reload_protection: on, waiting, battery } = one.seen;
    const state_of = one.active ? (one.online ? "online" : "offline") : "revoked_now";
    return html`<tr>
      <td>${one.name}<br /><span class="quiet">${t(`ops.terminals.${state_of}`)}</span></td>
      <td>${this.cell(one.cell_id)}</td>
      <td>${one.last_seen_at ? when(one.last_seen_at) : t("ops.terminals.not_yet")}</td>
      <td>${build ?? "–"}</td>
      <td>${on === null || on === undefined ? "–" : t(on ? "ops.terminals.reload_on" : "ops.terminals.reload_off")}</td>
      <td>${number(waiting ?? 0)}</td>
      <td>${battery === null || battery === undefined ? "–" : `${number(Math.round(battery * 100))} %`}</td>
      <td>${one.active ? this.buttons(one) : nothing}</td>
    </tr>`;
  }

  buttons(one) {
    const mean = () => this.act(() => this.app.fn("POST", `/api-terminals/${one.id}/identify`), t("ops.terminals.identified", { name: one.name }));
    return html`<div class="row">
      ${one.online ? html`<button class="button" @click=${mean}>${t("ops.terminals.identify")}</button>` : nothing}
      <button class="button" @click=${() => this.change(one)}>${t("ops.change")}</button>
      <button class="button" @click=${() => this.revoke(one)}>${t("ops.terminals.revoke")}</button>
    </div>`;
  }

  device_table() {
    const heads = ["name", "role", "cells", "password", ""].map((one) => one && t(`ops.head.${one}`));
    const rows = this.devices.map(
      (one) => html`<tr>
        <td>${one.device}</td>
        <td>${one.role ?? t("ops.devices.not_configured")}</td>
        <td>${one.cells.join(", ")}</td>
        <td>${one.since ? t("ops.since", { since: when(one.since) }) : t("ops.devices.no_password")}</td>
        <td>
          <div class="row">
            ${one.since
              ? html`<button class="button" @click=${() => this.let_in(one.device, "rotate")}>${t("ops.devices.rotate")}</button>
                  <button class="button" @click=${() => this.let_in(one.device, "remove")}>${t("ops.devices.remove")}</button>`
              : html`<button class="button" @click=${() => this.let_in(one.device, "add")}>${t("ops.devices.add")}</button>`}
          </div>
        </td>
      </tr>`,
    );
    return table(t("ops.devices.title"), heads, rows, t("ops.devices.none"));
  }

  quarantines() {
    const { quarantines } = this.machines;
    if (!quarantines.length) return nothing;
    const done = (one) => this.act(() => this.app.verb("machines.acknowledge", { id: one.id }), t("ops.done"));
    const rows = quarantines.map(
      (one) => html`<tr>
        <td>${one.device} ${one.input}</td>
        <td>${t(`ops.devices.why_${one.reason}`)}</td>
        <td>${number(one.pieces)}</td>
        <td>${when(one.found_at)}</td>
        <td><button class="button" @click=${() => done(one)}>${t("ops.devices.looked")}</button></td>
      </tr>`,
    );
    const heads = ["name", "why", "pieces", "happened", ""].map((one) => one && t(`ops.head.${one}`));
    return html`<h2>${t("ops.devices.quarantines")}</h2>${table(t("ops.devices.quarantines"), heads, rows)}`;
  }
}
