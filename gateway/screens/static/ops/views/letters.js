import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { number, t } from "shared/i18n.js";
import { when } from "../core/sentence.js";
import { View } from "../core/view.js";
import { ask, input } from "../parts/ask.js";
import { json, table } from "../parts/table.js";

/** Tables whose function has another name. */
const FUNCTIONS = { substep_templates: "templates" };

/** What a way out refused for good, by its cause, and what was seen differently here and in the cloud. */
export default class Letters extends View {
  every_ms = 10_000;
  open = null;

  async read() {
    [this.parked, this.conflicts] = await Promise.all([
      this.app.verb("queue.list", { reader: null }),
      this.app.verb("conflicts.list", { resolved_too: false }),
    ]);
  }

  /** Same way out, same reason. */
  groups() {
    const found = new Map();
    for (const one of this.parked) {
      const key = `${one.reader}\n${one.reason}`;
      found.set(key, [...(found.get(key) ?? []), one]);
    }
    return [...found.values()];
  }

  retry(entries) {
    const [{ reader }] = entries;
    const n = entries.length;
    return this.act(
      () => this.app.verb("queue.retry", { reader, seqs: entries.map((one) => one.seq) }),
      t("ops.letters.retried", { n }),
    );
  }

  async discard(entries) {
    const [{ reader }] = entries;
    const n = entries.length;
    const given = await ask({
      title: n === 1 ? t("ops.letters.discard_one", { what: `${entries[0].type ?? ""} ${entries[0].aggregate}` }) : t("ops.letters.discard_many", { n }),
      text: t("ops.letters.discard_what", { reader }),
      yes: t("ops.letters.discard"),
      danger: true,
      fields: input("reason", t("ops.reason"), { required: true }),
    });
    if (!given) return;
    const seqs = entries.map((one) => one.seq);
    await this.act(() => this.app.verb("queue.discard", { reader, seqs, ...given }), t("ops.letters.discarded", { n }));
  }

  /** Sets the row right and sends it again, with whatever waits behind it. */
  async edit(one) {
    let change, row;
    const read = async () => {
      const { changes } = await this.app.verb("queue.look", { seq: one.seq });
      change = changes.find(({ op, fields }) => op !== "delete" && fields?.length);
      if (change) ({ row } = await this.app.verb("data.row", change));
    };
    if (!(await this.app.act(read))) return;
    const fields = change?.fields.filter((name) => name in row) ?? [];
    if (!fields.length) return this.app.toast(t("ops.letters.nothing_to_edit"), "amber");
    const given = await ask({
      title: t("ops.letters.edit_one", { row: change.table }),
      text: one.reason,
      yes: t("ops.letters.edit_send"),
      fields: fields.map((name) => input(name, name, { value: row[name] ?? "" })),
    });
    if (!given) return;
    const changed = Object.entries(given).filter(([name, value]) => String(row[name] ?? "") !== value);
    const body = Object.fromEntries(changed.map(([name, value]) => [name, typeof row[name] === "number" ? Number(value) : value]));
    const path = `/api-${FUNCTIONS[change.table] ?? change.table.replaceAll("_", "-")}?id=${change.id}`;
    await this.act(async () => {
      if (changed.length) await this.app.fn("PATCH", path, body);
      const now = await this.app.verb("queue.list", { reader: one.reader });
      const seqs = now.filter(({ aggregate }) => aggregate === one.aggregate).map(({ seq }) => seq);
      await this.app.verb("queue.retry", { reader: one.reader, seqs });
    }, t("ops.letters.retried", { n: 1 }));
  }

  async look(one) {
    if (this.open === one) {
      this.open = null;
      return this.draw();
    }
    this.open = one;
    this.seen = null;
    this.draw();
    await this.app.act(async () => {
      const entry = await this.app.verb("queue.look", { seq: one.seq });
      const compared = one.reader === "cloud" ? await this.app.verb("queue.compare", { seq: one.seq }) : [];
      this.seen = { entry, compared };
    });
    this.draw();
  }

  draw_it() {
    return html`
      ${this.parked.length ? this.groups().map((group) => this.group(group)) : html`<p>${t("ops.letters.none")}</p>`}
      <h2>${t("ops.letters.conflicts")}</h2>
      ${this.differences()}
    `;
  }

  group(entries) {
    const [{ reader, reason }] = entries;
    const n = entries.length;
    return html`<section class="card column">
      <div class="row">
        <div class="grow">
          <h2>${reason}</h2>
          <p class="quiet">${t("ops.letters.count", { n, reader })}</p>
        </div>
        ${n > 1
          ? html`<button class="button" @click=${() => this.retry(entries)}>${icon("rotate-ccw")} ${t("ops.letters.retry_all", { n })}</button>
              <button class="button danger" @click=${() => this.discard(entries)}>${icon("trash-2")} ${t("ops.letters.discard_all", { n })}</button>`
          : nothing}
      </div>
      ${table(
        reason,
        ["number", "what", "about", "happened", "tries", ""].map((one) => one && t(`ops.head.${one}`)),
        entries.map((one) => this.letter(one)),
      )}
    </section>`;
  }

  letter(one) {
    const open = this.open?.seq === one.seq && this.open?.reader === one.reader;
    return html`<tr>
        <td>${one.seq}</td>
        <td>${one.type ?? t("ops.sync.change")}${one.state === "retry" ? html` <span class="quiet">${t("ops.letters.waits")}</span>` : nothing}</td>
        <td>${one.aggregate}</td>
        <td>${when(one.occurred_at)}</td>
        <td>${number(one.tries ?? 0)}</td>
        <td>
          <div class="row">
            <button class="button" aria-expanded=${open ? "true" : "false"} @click=${() => this.look(open ? this.open : one)}>${t("ops.show")}</button>
            <button class="button" @click=${() => this.retry([one])}>${t("ops.letters.retry")}</button>
            ${one.reader === "cloud" ? html`<button class="button" @click=${() => this.edit(one)}>${t("ops.letters.edit")}</button>` : nothing}
            <button class="button" @click=${() => this.discard([one])}>${t("ops.letters.discard")}</button>
          </div>
        </td>
      </tr>
      ${open ? html`<tr><td colspan="6">${this.inside(one)}</td></tr>` : nothing}`;
  }

  inside(one) {
    if (!this.seen) return html`<p class="quiet">${t("ops.reading")}</p>`;
    const { entry, compared } = this.seen;
    return html`<div class="column">
      ${one.request ? html`<h3>${t("ops.letters.request")}</h3>${json(JSON.parse(one.request))}` : nothing}
      <h3>${t("ops.letters.happened")}</h3>
      ${json({ data: entry.data, changes: entry.changes })} ${compared.map((row) => this.compared(row))}
    </div>`;
  }

  compared({ table: name, id, error, differences }) {
    const rows = differences.map(
      ({ field, local, cloud }) => html`<tr><td>${field}</td><td>${JSON.stringify(local)}</td><td>${JSON.stringify(cloud)}</td></tr>`,
    );
    return html`<h3>${t("ops.letters.here_there", { row: `${name} ${id}` })}</h3>
      ${error
        ? html`<p>${error}</p>`
        : table(t("ops.letters.diff"), ["field", "here", "cloud"].map((head) => t(`ops.head.${head}`)), rows, t("ops.letters.same"))}`;
  }

  differences() {
    const decide = (one, resolution) => this.decide(one, resolution);
    const rows = this.conflicts.map(
      (one) => html`<tr>
        <td>${one.entity} ${one.row_id}</td>
        <td>${one.field}</td>
        <td>${JSON.stringify(one.local)}</td>
        <td>${JSON.stringify(one.cloud)}</td>
        <td>${one.reason ?? ""}</td>
        <td>
          <div class="row">
            <button class="button" @click=${() => decide(one, "local")}>${t("ops.letters.keep_local")}</button>
            <button class="button" @click=${() => decide(one, "cloud")}>${t("ops.letters.keep_cloud")}</button>
          </div>
        </td>
      </tr>`,
    );
    const heads = ["row", "field", "here", "cloud", "why", ""].map((one) => one && t(`ops.head.${one}`));
    return table(t("ops.letters.conflicts"), heads, rows, t("ops.letters.no_conflicts"));
  }

  async decide(one, resolution) {
    const given = await ask({
      title: t(`ops.letters.keep_${resolution}`),
      text: t(`ops.letters.keep_${resolution}_what`, { field: one.field, row: one.entity, value: JSON.stringify(one[resolution]) }),
      yes: t(`ops.letters.keep_${resolution}`),
    });
    if (given) await this.act(() => this.app.verb("conflicts.resolve", { id: one.id, resolution }), t("ops.done"));
  }
}
