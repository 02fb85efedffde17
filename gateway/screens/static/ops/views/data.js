import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { number, t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { ask, choice, input, values } from "../parts/ask.js";
import { json, table } from "../parts/table.js";

/** What is in the database, a row with what became of it, everything out and in again. */
export default class Data extends View {
  async read() {
    this.counts = await this.app.verb("data.counts");
  }

  async look(event) {
    event.preventDefault();
    this.found = null;
    const asked = values(event.target);
    await this.app.act(async () => (this.found = { ...(await this.app.verb("data.row", asked)), ...asked }));
    this.draw();
  }

  async import_it(event) {
    event.preventDefault();
    const file = event.target.elements.file.files[0];
    if (!file) return;
    const dry = event.target.elements.dry.checked;
    if (!dry) {
      const given = await ask({
        title: t("ops.data.import_one", { file: file.name }),
        text: t("ops.data.import_what"),
        yes: t("ops.data.import"),
        danger: true,
      });
      if (!given) return;
    }
    this.imported = t("ops.data.importing");
    this.draw();
    await this.app.act(() => this.send(file, dry));
    await this.again();
  }

  async send(file, dry) {
    const query = new URLSearchParams({ name: file.name, ...(dry ? { dry_run: "1" } : {}) });
    const answer = await this.app.session.api.open("POST", `/import?${query}`, { body: file });
    const lines = (await answer.text()).trim().split("\n").map((line) => JSON.parse(line));
    const last = lines.at(-1);
    this.imported = last.error ?? last.answer ?? last;
  }

  draw_it() {
    const tables = Object.keys(this.counts);
    const rows = tables.map((name) => html`<tr><td class="ops-mono">${name}</td><td>${number(this.counts[name])}</td></tr>`);
    return html`
      ${table(t("ops.data.tables"), ["table", "rows"].map((one) => t(`ops.head.${one}`)), rows)}
      <h2>${t("ops.data.look")}</h2>
      <form class="ops-fields" @submit=${(event) => this.look(event)}>
        ${choice("table", t("ops.head.table"), tables, { value: "jobs" })} ${input("id", "id", { required: true })}
        <button class="button">${icon("search")} ${t("ops.show")}</button>
      </form>
      ${this.found ? this.row(this.found) : nothing}
      <h2>${t("ops.data.out")}</h2>
      <p>${t("ops.data.out_what")}</p>
      <div class="row">
        <a class="button" href="/ops/api/export?entities=full&format=json" download>${icon("download")} JSON</a>
        <a class="button" href="/ops/api/export?entities=full&format=csv" download>${icon("download")} CSV</a>
      </div>
      <h2>${t("ops.data.in")}</h2>
      <form class="column" @submit=${(event) => this.import_it(event)}>
        <label class="column-tight">
          <span class="label">${t("ops.data.file")}</span>
          <input class="field" type="file" name="file" accept=".json,.csv,.zip" required />
        </label>
        <label class="check"><input type="checkbox" name="dry" checked />${t("ops.data.dry")}</label>
        <div class="row"><button class="button">${icon("upload")} ${t("ops.data.import")}</button></div>
      </form>
      ${this.imported ? html`<div role="status">${typeof this.imported === "string" ? this.imported : json(this.imported)}</div>` : nothing}
    `;
  }

  row({ row, version, events }) {
    const rows = events.map(
      (one) => html`<tr>
        <td>${one.seq}</td>
        <td>${one.type ?? t("ops.sync.change")}</td>
        <td>${one.origin}</td>
        <td>${when(one.occurred_at)}</td>
        <td>${one.changes.flatMap((change) => change.fields ?? []).join(", ")}</td>
      </tr>`,
    );
    const heads = ["number", "what", "source", "happened", "fields"].map((one) => t(`ops.head.${one}`));
    return html`
      <p>${t("ops.data.version", { version: version ?? "–" })}</p>
      ${json(row)} ${table(t("ops.data.became"), heads, rows, t("ops.data.no_events"))}
    `;
  }
}
