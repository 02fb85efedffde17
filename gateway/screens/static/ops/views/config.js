import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";
import { View } from "../core/view.js";
import { ask, input, values } from "../parts/ask.js";
import { table } from "../parts/table.js";

/** What is in force, where it comes from, and what another text would change. */
export default class Config extends View {
  filter = "";
  only_set = false;

  async read() {
    this.config = await this.app.verb("config.show");
  }

  async compare(event) {
    event.preventDefault();
    const { text } = values(event.target);
    this.compared = null;
    await this.app.act(async () => {
      const checked = await this.app.verb("config.check", { text });
      this.compared = { ...checked, changes: checked.ok ? await this.app.verb("config.diff", { text }) : [] };
    });
    this.draw();
  }

  async change(one) {
    const given = await ask({
      title: t("ops.config.change_one", { key: one.key }),
      text: t("ops.config.change_what", { file: this.config.file }),
      yes: t("ops.save"),
      fields: input("value", one.key, { value: typeof one.value === "string" ? one.value : JSON.stringify(one.value) }),
    });
    if (!given) return;
    const value = typeof one.value === "string" ? given.value : parsed(given.value);
    await this.act(async () => {
      const told = await this.app.verb("config.set", { changes: { [one.key]: value } });
      if (!told.written) throw Object.assign(new Error(`${told.why}\n${told.paste}`), { status: 507 });
    }, t("ops.config.written"));
  }

  draw_it() {
    const { file, there, restart, error, values: all } = this.config;
    const words = this.filter.toLowerCase();
    const shown = all.filter((one) => (!words || one.key.includes(words)) && (!this.only_set || one.origin !== "default"));
    const sift = (event) => {
      this.filter = event.target.value;
      this.draw();
    };
    const set_only = (event) => {
      this.only_set = event.target.checked;
      this.draw();
    };
    return html`
      ${restart.length ? html`<p class="bar amber" role="status">${icon("rotate-ccw")} ${t("ops.config.restart", { keys: restart.join(", ") })}</p>` : nothing}
      ${error ? html`<p class="bar red" role="alert">${error}</p>` : nothing}
      <p class="quiet">${file ? t(there ? "ops.config.file" : "ops.config.no_file", { file }) : t("ops.config.from_nowhere")}</p>
      <div class="ops-fields">
        <label class="column-tight">
          <span class="label">${t("ops.filter")}</span>
          <input class="field" type="search" .value=${this.filter} @input=${sift} />
        </label>
        <label class="check"><input type="checkbox" ?checked=${this.only_set} @change=${set_only} />${t("ops.config.only_set")}</label>
      </div>
      ${table(
        t("ops.menu_config"),
        ["key", "value", "origin", ""].map((one) => one && t(`ops.head.${one}`)),
        shown.map((one) => this.value(one)),
      )}
      <h2>${t("ops.config.check")}</h2>
      <form class="column" @submit=${(event) => this.compare(event)}>
        <label class="column-tight">
          <span class="label">${t("ops.config.paste")}</span>
          <textarea class="field ops-mono" name="text" rows="8" spellcheck="false"></textarea>
        </label>
        <div class="row"><button class="button primary">${t("ops.config.check_it")}</button></div>
      </form>
      ${this.compared ? this.difference(this.compared) : nothing}
    `;
  }

  value(one) {
    const from_file = one.origin === "default" || one.origin === this.config.file;
    return html`<tr>
      <td class="ops-mono">${one.key}</td>
      <td class="ops-mono">${JSON.stringify(one.value)}</td>
      <td>${one.origin === "default" ? t("ops.config.default") : one.origin}</td>
      <td>
        ${from_file && this.config.file && !Array.isArray(one.value)
          ? html`<button class="button" @click=${() => this.change(one)} aria-label=${t("ops.config.change_one", { key: one.key })}>${t("ops.change")}</button>`
          : nothing}
      </td>
    </tr>`;
  }

  difference({ ok, errors, warnings, changes }) {
    if (!ok) return html`<ul class="bar red" role="alert">${errors.map((one) => html`<li>${one}</li>`)}</ul>`;
    const rows = changes.map(
      (one) => html`<tr>
        <td class="ops-mono">${one.key}</td>
        <td class="ops-mono">${JSON.stringify(one.before)}</td>
        <td class="ops-mono">${JSON.stringify(one.after)}</td>
      </tr>`,
    );
    return html`
      <p class="tone-green" role="status">${icon("circle-check")} ${t("ops.config.good")}</p>
      ${warnings.map((one) => html`<p class="tone-amber">${one}</p>`)}
      ${table(t("ops.config.check"), ["key", "before", "after"].map((one) => t(`ops.head.${one}`)), rows, t("ops.config.no_change"))}
    `;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
