import { html } from "lit";
import { span, t } from "shared/i18n.js";
import { ask, choice, input, tell } from "./ask.js";

/** Makes a code for a new terminal and shows it, also as a QR code of the page that it pairs at. */
export async function pair(app, { name = "" } = {}) {
  let cells = [];
  if (!(await app.act(async () => (cells = (await app.fn("GET", "/api-cells?limit=100")).cells)))) return false;
  const words = (id) => cells.find((one) => one.id === id)?.name ?? t("ops.terminals.every_cell");
  const given = await ask({
    title: t("ops.terminals.pair"),
    text: t("ops.terminals.pair_what"),
    yes: t("ops.terminals.make_code"),
    fields: html`
      ${input("name", t("ops.terminals.name"), { value: name, required: true })}
      ${choice("cell_id", t("ops.terminals.cell"), ["", ...cells.map((one) => one.id)], { words })}
    `,
  });
  if (!given) return false;
  let made = null;
  const body = { name: given.name, ...(given.cell_id ? { cell_id: given.cell_id } : {}) };
  if (!(await app.act(async () => (made = await app.fn("POST", "/api-terminals", body))))) return false;
  const address = `${location.origin}/terminal/#/pair/${made.code}`;
  await tell({
    title: t("ops.terminals.code_for", { name: given.name }),
    text: t("ops.terminals.code_what", { address: `${location.origin}/terminal/`, left: span((new Date(made.expires_at) - Date.now()) / 1000) }),
    secret: made.code,
    more: html`<img class="ops-qr" src=${`/ops/api/qr?text=${encodeURIComponent(address)}`} alt=${t("ops.terminals.qr")} />`,
  });
  return true;
}
