/** What a scan leads to, whatever is shown: an operation, a choice, a person, or a clear no. */

import { html } from "lit";
import { openDialog } from "shared/dialog.js";
import { t } from "shared/i18n.js";

const TONES = { good: [1_200, 80], bad: [300, 250] }; // Hz, ms
const LOUDNESS = 0.2;
let audio = null;

/** Answers a scan or a typed number. Raises nothing. */
export async function scanned(app, text) {
  let found;
  try {
    found = await app.store.find(text);
  } catch (error) {
    told(app, "bad", error.message, "red");
    return;
  }
  const operations = found.operations ?? [];
  if (found.kind === "operator" && found.operator) {
    signal("good");
    app.asked_for = found.operator;
    app.go("#/login");
  } else if (found.kind === "reason") {
    told(app, "bad", t("scan.reason", { text }), "amber");
  } else if (operations.length === 0) {
    told(app, "bad", t("scan.nothing", { text }), "red");
  } else if (operations.length === 1) {
    await open(app, operations[0]);
  } else {
    signal("good");
    const chosen = await choose(operations);
    if (chosen) await open(app, chosen);
  }
}

async function open(app, card) {
  const mine = app.sessions.active?.operator_id;
  const other = card.on_it?.find((one) => one.operator_id !== mine && !one.paused);
  if (card.status === "completed") told(app, "bad", t("scan.finished", { name: named(card) }), "amber");
  else if (other) told(app, "bad", t("scan.busy", { name: other.name }), "amber");
  else signal("good");
  const { cell } = app.store;
  if (card.cell_id && cell !== "all" && cell !== card.cell_id) await app.store.show(card.cell_id);
  app.go(`#/operation/${encodeURIComponent(card.id)}`);
}

/** The operation somebody means, or undefined. */
function choose(operations) {
  const title = t("scan.choose", { n: operations.length });
  return openDialog({
    label: title,
    content: (close) => html`
      <h2>${title}</h2>
      <ul class="column choices">
        ${operations.map(
          (card) => html`<li>
            <button class="tile wide" @click=${() => close(card)}>
              <strong>${named(card)}</strong><span class="quiet">${card.cell_name} · ${t(`common.status_${card.status}`)}</span>
            </button>
          </li>`,
        )}
      </ul>
      <div class="dialog-buttons"><button class="button" @click=${() => close()}>${t("common.cancel")}</button></div>
    `,
  });
}

function named(card) {
  return [card.job_number, card.part_number, card.name].filter(Boolean).join(" · ");
}

function told(app, kind, text, tone) {
  signal(kind);
  app.toast(text, tone);
}

/** Heard and felt where the device can; nothing depends on it. */
export function signal(kind) {
  const [hertz, ms] = TONES[kind];
  navigator.vibrate?.(ms);
  try {
    audio ??= new AudioContext();
    if (audio.state === "suspended") return; // nobody has touched the page yet
    const tone = audio.createOscillator();
    const loud = audio.createGain();
    tone.frequency.value = hertz;
    loud.gain.value = LOUDNESS;
    tone.connect(loud).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + ms / 1000);
  } catch {
    audio = null; // no sound here
  }
}
