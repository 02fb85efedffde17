import { html } from "lit";

/** Words in which what is to be typed stands in backquotes. */
export function coded(text) {
  return text.split("`").map((part, at) => (at % 2 ? html`<code>${part}</code>` : part));
}
