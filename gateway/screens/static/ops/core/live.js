/** A stream of server-sent events that comes back by itself. `on`: name of an event -> what takes its data; `open` without data. */
export class Live {
  constructor(address, on) {
    this.source = new EventSource(address);
    for (const [name, take] of Object.entries(on)) {
      this.source.addEventListener(name, (event) => take(event.data ? JSON.parse(event.data) : null));
    }
  }

  end() {
    this.source.close();
  }
}
