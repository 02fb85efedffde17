import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";
import { View } from "../core/view.js";
import { input, values } from "../parts/ask.js";
import { pair } from "../parts/pairing.js";

const STEPS = ["enter", "site", "cloud", "cells", "broker", "terminal", "done"];

/** The first run, step by step. What is set is written into the configuration file; a restart brings it. */
export default class Setup extends View {
  step = "enter";
  found = []; // cells that the cloud has shown
  answer = null; // of the last test or of what was written
  keys = new Set(); // of the configuration, that a restart brings

  async read() {
    if (this.app.session.signed_in && this.step === "enter") this.step = "site";
    if (this.app.session.signed_in) this.config ??= await this.app.verb("config.show");
  }

  value(key) {
    return this.config?.values.find((one) => one.key === key)?.value ?? "";
  }

  next() {
    this.answer = null;
    this.step = STEPS[STEPS.indexOf(this.step) + 1];
    this.draw();
  }

  async redeem(event) {
    event.preventDefault();
    const { code, password, again } = values(event.target);
    if (password !== again) return this.said({ ok: false, text: t("ops.setup.not_the_same") });
    try {
      await this.app.session.redeem(code, password);
      this.answer = null;
      await this.again();
    } catch (error) {
      this.said({ ok: false, text: error.status ? error.message : t("ops.no_answer") });
    }
  }

  said(answer) {
    this.answer = answer;
    this.draw();
  }

  async tried(doing) {
    this.said({ busy: true });
    try {
      this.said(await doing());
    } catch (error) {
      this.said({ ok: false, text: error.status ? error.message : t("ops.no_answer") });
    }
  }

  /** Writes and goes on; stays where it could not be written, and says what to paste. */
  async save(changes) {
    await this.tried(async () => {
      const told = await this.app.verb("config.set", { changes });
      if (!told.written) return { ok: false, text: told.why, paste: told.paste };
      for (const key of told.keys) this.keys.add(key);
      this.file = told.file;
      this.config = undefined;
      await this.read();
      this.next();
      return null;
    });
  }

  draw_it() {
    return html`
      <div class="ops-narrow">
        <h1 tabindex="-1">${t("ops.setup.title")}</h1>
        <ol class="ops-steps quiet">
          ${STEPS.map((one) => html`<li aria-current=${one === this.step ? "step" : nothing}>${t(`ops.setup.step_${one}`)}</li>`)}
        </ol>
        ${this[`draw_${this.step}`]()} ${this.draw_answer()}
      </div>
    `;
  }

  draw_answer() {
    if (!this.answer) return nothing;
    if (this.answer.busy) return html`<p role="status">${t("ops.setup.trying")}</p>`;
    const { ok, text, paste } = this.answer;
    return html`
      <p class=${ok ? "tone-green" : "bar red"} role="alert">${icon(ok ? "circle-check" : "circle-x")} ${text}</p>
      ${paste ? html`<pre class="ops-mono" tabindex="0">${paste}</pre>` : nothing}
    `;
  }

  form(fields, save, { test, skip = true } = {}) {
    const submit = (event) => {
      event.preventDefault();
      save(values(event.target));
    };
    const trying = (event) => test(values(event.target.form));
    return html`<form class="ops-narrow" @submit=${submit}>
      ${fields}
      <div class="row">
        ${test ? html`<button type="button" class="button" @click=${trying}>${t("ops.setup.test")}</button>` : nothing}
        <button class="button primary">${t("ops.setup.save")}</button>
        ${skip ? html`<button type="button" class="button" @click=${() => this.next()}>${t("ops.setup.skip")}</button>` : nothing}
      </div>
    </form>`;
  }

  draw_enter() {
    return html`
      <p>${t("ops.setup.enter_what")}</p>
      <form class="ops-narrow" @submit=${(event) => this.redeem(event)}>
        ${input("code", t("ops.setup.code"), { required: true, about: t("ops.setup.code_about") })}
        ${input("password", t("ops.setup.password"), { type: "password", required: true, about: t("ops.setup.password_about") })}
        ${input("again", t("ops.setup.again"), { type: "password", required: true })}
        <div class="row"><button class="button primary">${t("ops.setup.begin")}</button></div>
      </form>
    `;
  }

  draw_site() {
    const fields = ["gateway.id", "site.enterprise", "site.site", "site.area"];
    return html`<p>${t("ops.setup.site_what")}</p>
      ${this.form(
        fields.map((key) => input(key, t(`ops.setup.${key.replace(".", "_")}`), { value: this.value(key), required: true })),
        (given) => this.save(this.changed(given)),
      )}`;
  }

  /** Only what is another than what is set. */
  changed(given) {
    const changes = Object.entries(given).filter(([key, value]) => String(this.value(key)) !== value);
    return changes.length ? Object.fromEntries(changes) : given;
  }

  draw_cloud() {
    const test = (given) =>
      this.tried(async () => {
        const told = await this.app.verb("cloud.test", given);
        if (!told.ok) return { ok: false, text: told.error };
        this.found = told.cells;
        return { ok: true, text: t("ops.setup.cloud_ok", { n: told.cells.length }) };
      });
    const save = ({ url, api_key }) => this.save({ "cloud.url": url, ...(api_key ? { "cloud.api_key": api_key } : {}) });
    return html`<p>${t("ops.setup.cloud_what")}</p>
      ${this.form(
        html`${input("url", t("ops.setup.cloud_url"), { value: this.value("cloud.url"), required: true })}
        ${input("api_key", t("ops.setup.cloud_key"), { type: "password", about: t("ops.setup.cloud_key_about") })}`,
        save,
        { test },
      )}`;
  }

  draw_cells() {
    const mine = this.value("cloud.cells") || ["*"];
    const save = () => {
      const chosen = [...this.app.querySelectorAll('input[name="cell"]:checked')].map((one) => one.value);
      this.save({ "cloud.cells": chosen.length ? chosen : ["*"] });
    };
    return html`<p>${t("ops.setup.cells_what")}</p>
      ${this.form(
        this.found.length
          ? this.found.map(
              ({ name }) => html`<label class="check">
                <input type="checkbox" name="cell" value=${name} ?checked=${mine.includes("*") || mine.includes(name)} />${name}
              </label>`,
            )
          : html`<p class="quiet">${t("ops.setup.cells_none")}</p>`,
        save,
      )}`;
  }

  draw_broker() {
    const fields = html`
      ${input("host", t("ops.setup.broker_host"), { value: this.value("broker.host") })}
      ${input("port", t("ops.setup.broker_port"), { value: this.value("broker.port"), type: "number" })}
      ${input("username", t("ops.setup.broker_user"), { value: this.value("broker.username") })}
      ${input("password", t("ops.login.password"), { type: "password" })}
      <label class="check"><input type="checkbox" name="tls" ?checked=${this.value("broker.tls") === true} />TLS</label>
    `;
    const given = ({ port, tls, ...rest }) => ({ ...rest, port: Number(port), tls: tls === "on" });
    const test = (fields_) =>
      this.tried(async () => {
        const told = await this.app.verb("broker.test", given(fields_));
        return told.ok ? { ok: true, text: t("ops.setup.broker_ok") } : { ok: false, text: told.error };
      });
    const save = (fields_) => {
      const set = Object.entries(given(fields_)).filter(([name, value]) => name !== "password" || value);
      this.save({ "broker.mode": "external", ...Object.fromEntries(set.map(([name, value]) => [`broker.${name}`, value])) });
    };
    return html`<p>${t("ops.setup.broker_what")}</p>
      ${this.form(fields, save, { test })}`;
  }

  draw_terminal() {
    return html`<p>${t("ops.setup.terminal_what")}</p>
      <div class="row">
        <button class="button primary" @click=${() => pair(this.app)}>${icon("tablet")} ${t("ops.terminals.pair")}</button>
        <button class="button" @click=${() => this.next()}>${t("ops.setup.on")}</button>
      </div>`;
  }

  draw_done() {
    const keys = [...new Set([...this.keys, ...(this.config?.restart ?? [])])];
    return html`
      ${keys.length
        ? html`<p class="bar amber" role="status">
            ${icon("rotate-ccw")} ${t("ops.setup.restart", { keys: keys.join(", "), file: this.file ?? this.config.file })}
          </p>`
        : html`<p>${t("ops.setup.nothing_set")}</p>`}
      <p class="quiet">${t("ops.setup.backup")}</p>
      <p><a class="button primary" href="/ops/">${t("ops.menu_overview")}</a></p>
    `;
  }
}
