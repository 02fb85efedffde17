import { html, nothing } from "lit";
import { openDialog } from "shared/dialog.js";
import { t } from "shared/i18n.js";
import { WORDS_CHARS_MAX } from "./ask.js";

const MINUTE_MS = 60_000;
const TO_THE_MINUTE = "2026-11-30T07:00".length;

/** An instant as a field for date and time has it: in the time of this screen, to the minute. */
const local = (at) => {
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, TO_THE_MINUTE);
};

/** Start and end of a time that was booked are put right, with a reason; what was booked stays with it. One that runs has no end yet. */
export async function correctTimes(app, card, entry) {
  const right = await askTimes(entry);
  if (!right) return;
  const payload = { entry_id: entry.id, ...right, supervisor_session: app.store.session.id };
  app.act({ type: "correct", operation_id: card.id, payload }, { done: t("done.correct") });
}

/** @returns {Promise<{start_time?: string, end_time?: string, reason: string} | undefined>} what was left as it is, is not in it */
function askTimes({ start_time, end_time }) {
  const send = (close) => (event) => {
    event.preventDefault();
    const { start, end, reason } = event.target.elements;
    end?.setCustomValidity(end.value < start.value ? t("times.order") : "");
    if (!event.target.reportValidity()) return;
    close({ ...changed("start_time", start), ...(end ? changed("end_time", end) : {}), reason: reason.value.trim() });
  };
  const again = ({ currentTarget }) => currentTarget.elements.end?.setCustomValidity("");
  return openDialog({
    label: t("times.title"),
    content: (close) => html`
      <form @submit=${send(close)} @input=${again}>
        <h2>${t("times.title")}</h2>
        <div class="column">
          <div class="row">${field("start", t("times.start"), start_time)} ${end_time ? field("end", t("times.end"), end_time) : nothing}</div>
          <label><span class="label">${t("quantity.correct_why")}</span>
            <textarea class="field" name="reason" rows="2" required maxlength=${WORDS_CHARS_MAX}></textarea></label>
        </div>
        <div class="dialog-buttons">
          <button type="button" class="button" @click=${() => close()}>${t("common.cancel")}</button>
          <button class="button primary">${t("operation.correct")}</button>
        </div>
      </form>
    `,
  });
}

const field = (name, label, at) =>
  html`<label class="grow"><span class="label">${label}</span>
    <input class="field" type="datetime-local" name=${name} required value=${local(at)}></label>`;

/** A field shows no seconds: who leaves it alone leaves them as they were. */
const changed = (name, { value, defaultValue }) => (value === defaultValue ? {} : { [name]: new Date(value).toISOString() });
