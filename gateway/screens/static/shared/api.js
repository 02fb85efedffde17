/** Calls of this gateway's own functions: JSON in the API's envelope, each with a limit of time. */

const ANSWER_MAX_MS = 20_000;

/** `status` 0: nobody answered. `code`, `message`, `details` and `request_id` as the gateway gave them. */
export class ApiError extends Error {
  constructor(status, { code = "NO_ANSWER", message = "", details = null, request_id = "" } = {}) {
    super(message || code);
    Object.assign(this, { status, code, details, request_id });
  }
}

export class Api extends EventTarget {
  /**
   * @param {string} base for example "/terminal/api"
   * @param {() => Record<string, string>} headers what each request says of who asks
   *
   * Event "build" with `detail` = the gateway's build id, with every answer that names one.
   */
  constructor(base, headers) {
    super();
    this.base = base;
    this.headers = headers;
  }

  get(path, options) {
    return this.send("GET", path, undefined, options);
  }

  post(path, body, options) {
    return this.send("POST", path, body, options);
  }

  patch(path, body, options) {
    return this.send("PATCH", path, body, options);
  }

  put(path, body, options) {
    return this.send("PUT", path, body, options);
  }

  delete(path, options) {
    return this.send("DELETE", path, undefined, options);
  }

  /** `data` of the answer, null where it has none. Raises ApiError. A Blob goes as it is. */
  async send(method, path, body, { headers = {}, within_ms = ANSWER_MAX_MS } = {}) {
    const raw = body instanceof Blob;
    const type = body === undefined ? {} : { "Content-Type": raw ? body.type : "application/json" };
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), within_ms);
    try {
      const answer = await this.open(method, path, {
        headers: { ...type, ...headers },
        body: body === undefined || raw ? body : JSON.stringify(body),
        signal: limit.signal,
      });
      const said = parsed(await answer.text());
      if (!answer.ok) throw new ApiError(answer.status, said?.error);
      return said?.data ?? null;
    } catch (error) {
      throw error instanceof ApiError ? error : new ApiError(0); // cut off in the middle: nobody knows what it said
    } finally {
      clearTimeout(timer);
    }
  }

  /** The answer itself, for streams, until `signal` ends it. Raises ApiError only when nobody answers. */
  async open(method, path, { headers = {}, body, signal } = {}) {
    let answer;
    try {
      answer = await fetch(this.base + path, {
        method,
        body,
        headers: { ...this.headers(), ...headers },
        signal,
        cache: "no-store",
        credentials: "same-origin",
      });
    } catch {
      throw new ApiError(0);
    }
    const build = answer.headers.get("X-Build");
    if (build) this.dispatchEvent(new CustomEvent("build", { detail: build }));
    return answer;
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
