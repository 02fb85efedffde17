import { html, nothing } from "lit";
import { t } from "shared/i18n.js";
import { View } from "../core/view.js";
import { input, values } from "../parts/ask.js";

/** With the page's password, or with an admin key. */
export default class Login extends View {
  by_key = false;

  async read() {
    this.by_key = !this.app.session.password;
  }

  async enter(event) {
    event.preventDefault();
    this.wrong = "";
    try {
      await this.app.session.enter(values(event.target));
      await this.app.entered();
    } catch (error) {
      this.wrong = error.status ? error.message : t("ops.no_answer");
      this.draw();
    }
  }

  draw_it() {
    const { session } = this.app;
    const other = () => {
      this.by_key = !this.by_key;
      this.draw();
    };
    return html`
      <div class="ops-narrow">
        <h1 tabindex="-1">${t("ops.login.title")}</h1>
        <form class="ops-narrow" @submit=${(event) => this.enter(event)}>
          ${this.by_key
            ? input("key", t("ops.login.key"), { type: "password", required: true })
            : input("password", t("ops.login.password"), { type: "password", required: true })}
          ${this.wrong ? html`<p class="bar red" role="alert">${this.wrong}</p>` : nothing}
          <div class="row">
            <button class="button primary">${t("ops.login.enter")}</button>
            ${session.password
              ? html`<button type="button" class="button" @click=${other}>
                  ${t(this.by_key ? "ops.login.with_password" : "ops.login.with_key")}
                </button>`
              : nothing}
          </div>
        </form>
        ${session.code ? html`<p><a href="/ops/setup">${t("ops.login.first")}</a></p>` : nothing}
        ${session.password ? nothing : html`<p class="quiet">${t("ops.login.no_password")}</p>`}
      </div>
    `;
  }
}
