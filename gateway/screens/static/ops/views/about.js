import { html } from "lit";
import { t } from "shared/i18n.js";
import { View } from "../core/view.js";
import { table } from "../parts/table.js";

/** What runs here, and under which licences. */
export default class About extends View {
  async read() {
    this.about = await this.app.verb("ops.about");
  }

  draw_it() {
    const { version, python, sqlite, gateway, plugins, packages, files } = this.about;
    const facts = [
      [t("ops.overview.version"), version],
      ["Python", python],
      ["SQLite", sqlite],
      [t("ops.about.gateway"), gateway],
    ];
    const row = (one) => html`<tr><td>${one.name}</td><td>${one.version}</td><td>${one.licence}</td></tr>`;
    const heads = ["name", "version", "licence"].map((one) => t(`ops.head.${one}`));
    return html`
      ${facts.map(([name, value]) => html`<p><span class="quiet">${name}</span> ${value}</p>`)}
      <p>
        <a href="/docs">${t("ops.about.docs")}</a> · <a href="/openapi.json">openapi.json</a> ·
        <a href="/asyncapi.json">asyncapi.json</a>
      </p>
      <p>${t("ops.about.update")}</p>
      <p class="quiet">${t("ops.about.update_back")}</p>
      <h2>${t("ops.about.plugins")}</h2>
      ${table(
        t("ops.about.plugins"),
        ["name", "state", "error"].map((one) => t(`ops.head.${one}`)),
        plugins.map((one) => html`<tr><td>${one.name}</td><td>${one.state}</td><td>${one.error ?? ""}</td></tr>`),
        t("ops.about.no_plugins"),
      )}
      <h2>${t("ops.about.packages")}</h2>
      ${table(t("ops.about.packages"), heads, packages.map(row))}
      <h2>${t("ops.about.files")}</h2>
      ${table(t("ops.about.files"), heads, files.map(row), t("ops.about.no_files"))}
    `;
  }
}
