import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { ask, choice, input, tell } from "../parts/ask.js";
import { table } from "../parts/table.js";

const SCOPES = ["read", "operate", "plan", "admin"];

/** Who may use the API, and the password of this page. */
export default class Keys extends View {
  async read() {
    this.keys = await this.app.verb("keys.list");
  }

  async make() {
    const given = await ask({
      title: t("ops.keys.make"),
      text: t("ops.keys.make_what"),
      yes: t("ops.keys.make"),
      fields: html`
        ${input("name", t("ops.keys.name"), { required: true })}
        ${choice("scope", t("ops.keys.scope"), SCOPES, { words: (one) => t(`ops.keys.scope_${one}`) })}
        ${input("cells", t("ops.keys.cells"), { about: t("ops.keys.cells_about") })}
      `,
    });
    if (!given) return;
    const cells = given.cells.split(",").map((one) => one.trim()).filter(Boolean);
    await this.made(() => this.app.verb("keys.create", { name: given.name, scope: given.scope, cells: cells.length ? cells : null }));
  }

  async rotate(key) {
    const given = await ask({
      title: t("ops.keys.rotate_one", { name: key.name }),
      text: t("ops.keys.rotate_what"),
      yes: t("ops.keys.rotate"),
      danger: true,
    });
    if (given) await this.made(() => this.app.verb("keys.rotate", { key: key.id }));
  }

  async revoke(key) {
    const given = await ask({
      title: t("ops.keys.revoke_one", { name: key.name }),
      text: t("ops.keys.revoke_what"),
      yes: t("ops.keys.revoke"),
      danger: true,
    });
    if (given) await this.act(() => this.app.verb("keys.revoke", { key: key.id }), t("ops.keys.revoked", { name: key.name }));
  }

  async made(doing) {
    let made = null;
    if (!(await this.act(async () => (made = await doing())))) return;
    await tell({ title: t("ops.keys.key_of", { name: made.name }), text: t("ops.keys.only_now"), secret: made.key });
  }

  async password() {
    const given = await ask({
      title: t("ops.keys.password"),
      text: t("ops.keys.password_what"),
      yes: t("ops.keys.password"),
      fields: input("password", t("ops.setup.password"), { type: "password", required: true, about: t("ops.setup.password_about") }),
    });
    if (!given) return;
    await this.act(() => this.app.session.api.put("/password", given), t("ops.keys.password_set"));
  }

  draw_it() {
    const heads = ["name", "kind", "scope", "key", "made", "used", ""].map((one) => one && t(`ops.head.${one}`));
    return html`
      <div class="row">
        <button class="button primary" @click=${() => this.make()}>${icon("plus")} ${t("ops.keys.make")}</button>
        <button class="button" @click=${() => this.password()}>${icon("lock")} ${t("ops.keys.password")}</button>
      </div>
      ${table(t("ops.menu_keys"), heads, this.keys.map((one) => this.key(one)), t("ops.keys.none"))}
    `;
  }

  key(one) {
    const scope = one.kind === "mcp" ? t("ops.keys.agent") : t(`ops.keys.scope_${one.scope}`);
    return html`<tr>
      <td>${one.name}</td>
      <td>${one.origin === "cloud" ? t("ops.keys.of_cloud") : t("ops.keys.of_here")}</td>
      <td>${scope}${one.cells ? html`<br /><span class="quiet">${t("ops.keys.some_cells", { n: one.cells.length })}</span>` : nothing}</td>
      <td><span class="ops-mono">${one.key_prefix}…</span></td>
      <td>${when(one.created_at)}</td>
      <td>${one.last_used_at ? when(one.last_used_at) : t("ops.keys.never")}</td>
      <td>
        ${one.active
          ? html`<div class="row">
              <button class="button" @click=${() => this.rotate(one)}>${t("ops.keys.rotate")}</button>
              <button class="button" @click=${() => this.revoke(one)}>${t("ops.keys.revoke")}</button>
            </div>`
          : html`<span class="quiet">${t("ops.keys.ended")}</span>`}
      </td>
    </tr>`;
  }
}
