/**
 * What the screen shows: the gateway's cards with this screen's own waiting commands replayed on top. Pure.
 *
 * A card that such a command touches has `waiting: true`; whom it lets work has `waiting` too.
 */

const BY_TYPE = { start, pause, resume, finish, report, issue };

/**
 * @param {object[]} cards as the gateway gave them
 * @param {object[]} commands in order; refused ones are none of them
 * @param {{id: string, operator_id: string, name: string}[]} sessions who is or was signed in here
 * @returns {object[]} the same cards where nothing waits for them
 */
export function replay(cards, commands, sessions = []) {
  if (commands.length === 0) return cards;
  const shown = new Map(cards.map((card) => [card.id, card]));
  const change = (id, with_) => {
    const card = shown.get(id);
    if (card) shown.set(id, { ...card, ...with_(card), waiting: true });
  };
  for (const command of commands) {
    const by = sessions.find((one) => one.id === command.session) ?? { operator_id: command.operator_id, name: command.operator_name };
    const stopped = command.payload?.pause_other;
    if (stopped) change(stopped, (card) => pause(card, command, by));
    for (const id of touched(shown, command)) {
      const meant = id === command.operation_id ? command : { ...command, payload: { batch: true } }; // its pieces are its own
      change(id, (card) => BY_TYPE[command.type]?.(card, meant, by) ?? {});
    }
  }
  return cards.map((card) => shown.get(card.id));
}

/** Ids of what a command moves: one card, or those of its batch that are open. */
function touched(shown, { operation_id, payload }) {
  const { batch_id } = shown.get(operation_id) ?? {};
  if (!payload?.batch || !batch_id) return [operation_id];
  return [...shown.values()].filter((card) => card.batch_id === batch_id && card.status !== "completed").map((card) => card.id);
}

/** Pieces of a command: `scrap` is a list by reason or a number. */
export function scrapped(scrap) {
  return Array.isArray(scrap) ? scrap.reduce((sum, one) => sum + one.quantity, 0) : (scrap ?? 0);
}

function start(card, command, by) {
  const batch = command.payload?.batch ? { ...card.batch, status: "in_progress" } : card.batch;
  return { status: "in_progress", held: null, batch, on_it: [...others(card, by), at_work(command, by)] };
}

/** His own time; with the last one who works on it the operation stands. */
function pause(card, command, by) {
  const goes_on = others(card, by).some((one) => !one.paused);
  if (goes_on) return { on_it: card.on_it.map((one) => (one.operator_id === by.operator_id ? stopped(one, command) : one)) };
  return { status: "on_hold", on_it: card.on_it.map((one) => stopped(one, command)) };
}

function stopped(one, command) {
  return one.paused ? one : { ...one, paused: true, paused_at: command.tapped_at };
}

function resume(card, command, by) {
  const mine = card.on_it.find((one) => one.operator_id === by.operator_id);
  return { status: "in_progress", held: null, on_it: [...others(card, by), mine ? { ...mine, paused: false, waiting: true } : at_work(command, by)] };
}

function finish(card, command) {
  return { ...counted(card, command.payload), status: "completed", completed_at: command.tapped_at, on_it: [] };
}

function report(card, command) {
  return counted(card, command.payload);
}

function issue(card, { payload }) {
  if (!payload.stops_work) return {};
  return { status: "on_hold", held: { issue_id: null, title: payload.title } };
}

function counted(card, { good = 0, scrap = [], rework = 0 }) {
  return { good: card.good + good, scrap: card.scrap + scrapped(scrap), rework: card.rework + rework };
}

function others(card, by) {
  return card.on_it.filter((one) => one.operator_id !== by.operator_id);
}

function at_work(command, by) {
  return { operator_id: by.operator_id, name: by.name, since: command.tapped_at, paused: false, waiting: true };
}
