import { Api } from "shared/api.js";

/** Who is in. The cookie is the browser's alone; the token goes with every change. */
export class Session {
  constructor() {
    this.api = new Api("/ops/api", () => (this.csrf ? { "X-CSRF-Token": this.csrf } : {}));
    this.#take({ signed_in: false });
  }

  /** Raises ApiError. */
  async load() {
    this.#take(await this.api.get("/session"));
  }

  /** @param {{password?: string, key?: string}} given */
  async enter(given) {
    this.#take(await this.api.post("/session", given));
  }

  async redeem(code, password) {
    this.#take(await this.api.post("/setup", { code, password }));
  }

  async leave() {
    this.#take({ ...(await this.api.delete("/session")), password: this.password });
  }

  ended() {
    this.signed_in = false;
    this.csrf = "";
  }

  #take({ signed_in, csrf = "", who = "", password = false, code = false }) {
    Object.assign(this, { signed_in, csrf, who, password, code });
  }
}
