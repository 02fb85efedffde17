/**
 * A scanner that types (keyboard wedge): characters at most 35 ms apart, four or more, then Enter or Tab. Event "scan" {text}.
 *
 * Nobody can know from its first character that it is a scan, so what a focused field got of it is taken out again.
 */

const APART_MAX_MS = 35;
const LENGTH_MIN = 4;
const LENGTH_MAX = 200;
const ENDS = new Set(["Enter", "Tab"]);
const SILENT = new Set(["Shift", "CapsLock"]); // they come between characters

export class Scanner extends EventTarget {
  constructor(window) {
    super();
    this.#forget();
    window.addEventListener("keydown", (event) => this.#pressed(event), { capture: true });
  }

  #pressed(event) {
    if (SILENT.has(event.key)) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) {
      this.#forget();
      return;
    }
    const apart = event.timeStamp - this.last_ms;
    this.last_ms = event.timeStamp;
    if (ENDS.has(event.key)) {
      if (apart <= APART_MAX_MS && this.text.length >= LENGTH_MIN) this.#scanned(event);
      this.#forget();
    } else if (event.key.length === 1) {
      if (apart > APART_MAX_MS || this.text.length >= LENGTH_MAX) this.#begin();
      this.text += event.key;
    } else {
      this.#forget();
    }
  }

  #begin() {
    this.text = "";
    const field = document.activeElement;
    const typed_into = field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement;
    this.field = typed_into ? { element: field, value: field.value, from: place(field, "selectionStart"), to: place(field, "selectionEnd") } : null;
  }

  #scanned(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
    const { text, field } = this;
    if (field && field.element.value !== field.value) {
      field.element.value = field.value;
      if (field.from !== null) field.element.setSelectionRange(field.from, field.to);
      field.element.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
    this.dispatchEvent(new CustomEvent("scan", { detail: { text: normalised(text), typed: text } }));
  }

  #forget() {
    this.text = "";
    this.field = null;
    this.last_ms = Number.NEGATIVE_INFINITY;
  }
}

/** As labels are compared: no spaces, upper case. */
export function normalised(text) {
  return text.replace(/\s+/g, "").toUpperCase();
}

function place(field, name) {
  try {
    return field[name];
  } catch {
    return null; // fields of numbers have none
  }
}
