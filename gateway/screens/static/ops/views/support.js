import { html } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";
import { View } from "../core/view.js";
import { coded } from "../parts/coded.js";
import { table } from "../parts/table.js";

/** How the box is, packed for somebody who helps. */
export default class Support extends View {
  async read() {
    this.files = await this.app.verb("support.list");
  }

  draw_it() {
    const row = ({ name }) => html`<tr>
      <td class="ops-mono">${name}</td>
      <td>${coded(t(`ops.support.in_${name.split(".")[0]}`))}</td>
    </tr>`;
    return html`
      <p>${t("ops.support.what")}</p>
      <div class="row">
        <a class="button primary" href="/ops/api/support.zip" download>${icon("download")} ${t("ops.support.get")}</a>
      </div>
      <h2>${t("ops.support.inside")}</h2>
      ${table(t("ops.support.inside"), [t("ops.head.name"), t("ops.head.what")], this.files.map(row))}
      <p>${t("ops.support.not")}</p>
    `;
  }
}
