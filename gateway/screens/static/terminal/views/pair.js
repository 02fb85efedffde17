/** The first start: the code that `/ops/` or the command line shows makes this screen a terminal of the hall. */

import { html, nothing } from "lit";
import { icon } from "shared/icon.js";
import { t } from "shared/i18n.js";

const CODE = /^[A-HJKMNP-Z2-9]{6}$/;

const state = { busy: false, said: "" };

export function render(app) {
  const send = (event) => {
    event.preventDefault();
    pair(app, new FormData(event.target).get("code"));
  };
  return html`
    <section class="narrow column">
      <p>${t("pair.what")}</p>
      <form class="column" @submit=${send}>
        <label><span class="label">${t("pair.code")}</span>
          <input class="field code-field" name="code" maxlength="12" autocomplete="off" autocapitalize="characters" spellcheck="false" required
            aria-describedby="pair-said" .value=${app.route.id ?? ""}></label>
        <p id="pair-said" role="alert" class="tone-red">${state.said}</p>
        <button class="button primary" ?disabled=${state.busy}>${t("pair.pair")}</button>
      </form>
      <p class="quiet">${icon("qr-code")} ${t("pair.scan")}</p>
      ${window.isSecureContext ? nothing : html`<p class="bar amber" data-said="no-reload">${icon("triangle-alert")} <span class="grow">${t("pair.no_reload")}</span> <a class="button" href="/trust">${t("pair.trust")}</a></p>`}
      ${app.outbox.waiting.length ? html`<p class="bar amber">${icon("hourglass")} <span>${t("pair.waiting", { n: app.outbox.waiting.length })}</span></p>` : nothing}
    </section>
  `;
}

/** A QR code holds the code, alone or at the end of an address. */
export function scan(app, text) {
  pair(app, text.split(/[#=/]/).at(-1));
  return true;
}

export function leave() {
  Object.assign(state, { busy: false, said: "" });
}

async function pair(app, typed) {
  const code = String(typed ?? "").replace(/[\s-]/g, "").toUpperCase();
  if (!CODE.test(code)) return say(app, t("pair.form"));
  if (state.busy) return undefined;
  state.busy = true;
  say(app, "");
  try {
    const about = {
      user_agent: navigator.userAgent,
      secure_context: window.isSecureContext,
      service_worker: Boolean(navigator.serviceWorker),
    };
    await app.pair(await app.api.post("/pair", { code, about }));
  } catch (error) {
    say(app, error.status === 0 ? t("common.no_answer") : error.message);
  } finally {
    state.busy = false;
    app.requestUpdate();
  }
  return undefined;
}

function say(app, text) {
  state.said = text;
  app.requestUpdate();
}
