import { html } from "lit";
import { t } from "shared/i18n.js";

const COUNTS_MS = 250;

/** What `app.act` does. Resolves to the command once it is safe, to false when it was not done (and somebody was told why). */
export async function act(app, command, { undo_s = 0, done, photos, tone = "green" } = {}) {
  if (app.sessions.read_only) {
    app.toast(t("common.read_only"), "amber");
    return false;
  }
  if (!app.sessions.active && !command.session) {
    app.go("#/login");
    return false;
  }
  try {
    const put = await app.outbox.put(command, { undo_s, photos });
    await replaced(app, put);
    if (put.state === "held") undoBar(app, put, done ?? "");
    else if (done) app.toast(done, tone);
    return put;
  } catch (error) {
    app.toast(error.status ? error.message : t("common.not_sent"), "red");
    return false;
  }
}

/** What somebody changed under "Needs attention" takes the place of what was refused. */
async function replaced(app, put) {
  const { changing } = app;
  if (!changing || changing.type !== put.type || changing.operation_id !== put.operation_id) return;
  app.changing = null;
  await app.outbox.discard(changing.id, app.sessions.active?.name ?? "");
}

/** "Finished OP 20 · Undo (8)": there until its window ends, or the next tap ends it. */
function undoBar(app, command, text) {
  const left_ms = () => command.held_until - app.clock.steady();
  const seconds = () => Math.max(0, Math.ceil(left_ms() / 1000));
  const undo = async () => app.toast(t((await app.outbox.undo(command.id)) ? "common.undone" : "common.undo_late"));
  // Only the word is read out, not the seconds.
  const label = () => html`<span>${t("common.undo")}</span> <span aria-hidden="true">(${seconds()})</span>`;
  const bar = app.toast(text, "green", { action: { label, run: undo }, for_ms: left_ms() });
  const counting = setInterval(() => bar.draw(), COUNTS_MS);
  const look = () => {
    if (command.state === "held") return;
    clearInterval(counting);
    app.outbox.removeEventListener("change", look);
    bar.close();
  };
  app.outbox.addEventListener("change", look);
}
