/** Everything about the operation that a view shows: asked for when it is another one, when its row has changed, or when a tap was answered. */
export class Detail {
  #asked = "";
  #asking = false;
  #known = null;

  constructor(view) {
    this.view = view;
    view.addController(this);
  }

  hostConnected() {
    this.view.app.outbox.addEventListener("done", this);
  }

  hostDisconnected() {
    this.view.app.outbox.removeEventListener("done", this);
  }

  handleEvent({ detail }) {
    if (detail.command.operation_id === this.id) this.#asked = "";
    this.view.requestUpdate();
  }

  /** What is known of it; null while nothing is. `failed`: nobody could be asked, and nothing was kept. */
  of(card) {
    const wanted = `${card.id} ${card.version}`;
    if (card.id !== this.id) Object.assign(this, { id: card.id, failed: false });
    if (wanted !== this.#asked && !this.#asking) {
      this.#asked = wanted;
      this.#ask(card.id);
    }
    return this.#known?.id === card.id ? this.#known.detail : null;
  }

  async #ask(id) {
    this.#asking = true;
    try {
      this.#known = { id, detail: await this.view.app.store.detail(id) };
      this.failed = false;
    } catch {
      this.failed = true;
    } finally {
      this.#asking = false;
      this.view.requestUpdate();
    }
  }
}
