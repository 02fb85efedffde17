import { html } from "lit";
import { icon } from "shared/icon.js";
import { number, t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { ask, input } from "../parts/ask.js";
import { table } from "../parts/table.js";

const WHOLE_MAX_MS = 7_200_000; // everything is read or written
const MB = 1024 * 1024;

/** Copies of everything: those that are there, a new one, proving one, and how one is brought back. */
export default class Backups extends View {
  async read() {
    this.found = await this.app.verb("backups.list");
  }

  async create() {
    const given = await ask({
      title: t("ops.backups.create"),
      text: t("ops.backups.create_what"),
      yes: t("ops.backups.create"),
      fields: input("passphrase", t("ops.backups.passphrase"), { type: "password", about: t("ops.backups.passphrase_what") }),
    });
    if (given) await this.long(t("ops.backups.creating"), "backups.create", { passphrase: given.passphrase || null });
  }

  async verify(one) {
    const asked = { title: t("ops.backups.verify_one", { name: one.name }), text: t("ops.backups.verify_what"), yes: t("ops.backups.verify") };
    if (one.secrets) asked.fields = input("passphrase", t("ops.backups.passphrase"), { type: "password", about: t("ops.backups.passphrase_maybe") });
    const given = await ask(asked);
    if (given) await this.long(t("ops.backups.verifying"), "backups.verify", { name: one.name, passphrase: given.passphrase || null });
  }

  async long(doing, verb, given) {
    this.doing = doing;
    this.draw();
    const done = verb === "backups.create" ? t("ops.backups.made") : t("ops.backups.sound");
    await this.act(() => this.app.verb(verb, given, { within_ms: WHOLE_MAX_MS }), done);
    this.doing = "";
    this.draw();
  }

  draw_it() {
    const { folder, backups } = this.found;
    const newest = backups.find((one) => !one.error);
    const command = `eryxon-gateway restore ${newest ? `${folder}/${newest.name}` : "FILE"}`;
    const heads = ["made", "gateway", "version", "size", "rows", "files", "secrets", ""].map((one) => (one ? t(`ops.head.${one}`) : ""));
    return html`
      <p>${t("ops.backups.what", { folder })}</p>
      <div class="row">
        <button class="button primary" ?disabled=${Boolean(this.doing)} @click=${() => this.create()}>${icon("hard-drive")} ${t("ops.backups.create")}</button>
        <span role="status">${this.doing ?? ""}</span>
      </div>
      ${table(t("ops.menu_backups"), heads, backups.map((one) => this.row(one)), t("ops.backups.none"), [3, 4, 5])}
      <h2>${t("ops.backups.restore")}</h2>
      <p>${t("ops.backups.restore_what")}</p>
      <ol class="ops-steps">
        <li>${t("ops.backups.step_stop")} <code>systemctl stop eryxon-gateway</code></li>
        <li>${t("ops.backups.step_look")} <code>${command}</code></li>
        <li>${t("ops.backups.step_restore")} <code>${command} --yes</code></li>
        <li>${t("ops.backups.step_start")} <code>systemctl start eryxon-gateway</code></li>
      </ol>
    `;
  }

  row(one) {
    if (one.error) return html`<tr><td class="ops-mono">${one.name}</td><td colspan="7" class="tone-red">${one.error}</td></tr>`;
    const href = `/ops/api/backups/${encodeURIComponent(one.name)}`;
    return html`<tr>
      <td>${when(one.made_at)}</td>
      <td>${one.gateway}</td>
      <td>${one.version}</td>
      <td class="amount">${t("ops.backups.mb", { mb: number(one.bytes / MB, 2) })}</td>
      <td class="amount">${number(one.rows)}</td>
      <td class="amount">${number(one.files)}</td>
      <td>${t(one.secrets ? "ops.backups.with" : "ops.backups.without")}</td>
      <td class="row">
        <a class="button" href=${href} download=${one.name}>${icon("download")} ${t("ops.backups.download")}</a>
        <button class="button" ?disabled=${Boolean(this.doing)} @click=${() => this.verify(one)}>${icon("circle-check")} ${t("ops.backups.verify")}</button>
      </td>
    </tr>`;
  }
}
