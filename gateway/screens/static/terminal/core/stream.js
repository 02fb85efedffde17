/**
 * The gateway's stream: server-sent events over fetch, because the terminal's key goes in a header.
 *
 * It also is how the link is judged: open and heard within 15 s is up. Events: "up", "down", and each of the gateway's
 * ("rows", "status", "terminal", "reset") with its data in `detail`; "refused" {status, code} when it does not let us in.
 */

const SILENT_MAX_MS = 15_000;
const AGAIN_S = [0.5, 1, 2, 5];
const JITTER = 0.25;
const REFUSED = new Set([401, 403]);

export class Stream extends EventTarget {
  /** @param {{open: (signal: AbortSignal) => Promise<Response>}} given `open` asks from where the page stands */
  constructor({ open }) {
    super();
    this.ask = open;
    this.up = null; // nothing known yet
    this.running = false;
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.failures = 0;
    this.#run();
  }

  stop() {
    this.running = false;
    this.restart();
  }

  /** Asks anew at once: another cell, a command that nobody answered, a network that is back. */
  restart() {
    this.failures = 0;
    this.reading?.abort();
    this.wait_over?.();
  }

  async #run() {
    while (this.running) {
      const ended = await this.#read();
      if (!this.running) return;
      if (!ended) {
        this.#say(false);
        const step = AGAIN_S[Math.min(this.failures++, AGAIN_S.length - 1)];
        await this.#wait(step * 1000 * (1 + JITTER * (2 * Math.random() - 1)));
      }
    }
  }

  /** Reads until it ends; true when that is because somebody restarted it. */
  async #read() {
    const reading = new AbortController();
    this.reading = reading;
    let restarted = false;
    reading.signal.addEventListener("abort", () => (restarted = this.timed_out !== reading));
    this.#heard(reading);
    try {
      const answer = await this.ask(reading.signal);
      if (!answer.ok) {
        const said = await answer.json().catch(() => ({}));
        if (REFUSED.has(answer.status)) this.#tell("refused", { status: answer.status, code: said.error?.code });
        return false;
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        this.#heard(reading);
        this.failures = 0;
        this.#say(true);
        const parts = (text + piece.value).split("\n\n");
        text = parts.pop();
        for (const part of parts) this.#event(part);
      }
      return restarted;
    } catch {
      return restarted;
    } finally {
      clearTimeout(this.silence);
    }
  }

  #heard(reading) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.timed_out = reading;
      reading.abort();
    }, SILENT_MAX_MS);
  }

  #event(text) {
    let name = "message";
    const data = [];
    for (const line of text.split("\n")) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
    }
    if (data.length > 0) this.#tell(name, JSON.parse(data.join("\n")));
  }

  #say(up) {
    if (this.up === up) return;
    this.up = up;
    this.dispatchEvent(new Event(up ? "up" : "down"));
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wait_over = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
