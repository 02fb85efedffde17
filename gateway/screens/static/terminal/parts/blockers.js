import { t } from "shared/i18n.js";
import { ask } from "./ask.js";
import { openInBatch, runsAsBatch, stateOf, timerOf } from "./state.js";

const EARLIER = "earlier_open";
const ASSEMBLY = "assembly_open";
const NEXT_FULL = "next_cell_full";
const TIMER = "timer";

/**
 * What stands in the way of starting a card, as far as this screen knows: told before it is started. Pure.
 * @returns {Array<{kind: string, may_confirm: boolean, values: object, other?: object}>} the kinds are the gateway's, and "timer"
 */
export function blockersOf(card, { detail, cards, cells, policy, operatorId }) {
  const found = [];
  const anyway = policy?.start_anyway ?? true;
  if (card.waits) found.push({ kind: EARLIER, may_confirm: anyway, values: { steps: earlierSteps(card, detail) } });
  const children = detail?.assembly ?? [];
  if (children.length) {
    const parts = children.map((one) => one.part_number).join(", ");
    found.push({ kind: ASSEMBLY, may_confirm: anyway, values: { parts } });
  }
  const next = detail?.next_cell && { ...cells.find((cell) => cell.id === detail.next_cell.id), ...detail.next_cell };
  if (next?.wip_limit && next.wip >= next.wip_limit) {
    const values = { cell: next.name, in_work: next.wip, limit: next.wip_limit };
    found.push({ kind: NEXT_FULL, may_confirm: !next.enforce_wip_limit, values });
  }
  const other = otherOf(cards, card, operatorId);
  return other ? [...found, timer(other)] : found;
}

/** Cards on which the timer of this operator runs. */
export function runningOf(cards, operatorId) {
  return cards.filter((card) => stateOf(card) === "running" && timerOf(card, operatorId)?.paused === false);
}

/**
 * What resuming a card carries: the other timer of this operator stops for it, once he has agreed. Null when he has not.
 * @returns {Promise<{pause_other?: string} | null>}
 */
export async function leaving(app, card) {
  const other = otherOf(app.store.operations(), card, app.store.session?.operator_id);
  return other ? cleared([timer(other)]) : {};
}

/** Goes on with a card. */
export async function resume(app, card) {
  const payload = await leaving(app, card);
  if (payload) app.act({ type: "resume", operation_id: card.id, payload });
}

/** What runs as a batch with the card is no other work. */
const otherOf = (cards, card, operatorId) => {
  const beside = runsAsBatch(card) ? openInBatch(cards, card) : [];
  return runningOf(cards, operatorId).find((one) => one.id !== card.id && !beside.includes(one));
};

/** The same for all cards of a batch that is started with this one. */
export function blockersOfBatch(card, given) {
  const { cards, policy } = given;
  const together = openInBatch(cards, card);
  const before = together.filter((one) => one.id !== card.id && one.waits);
  const steps = before.map((one) => t("blockers.before", { job: one.job_number, part: one.part_number, name: one.name })).join(", ");
  const waiting = { kind: EARLIER, may_confirm: policy?.start_anyway ?? true, values: { steps } };
  const own = blockersOf(card, { ...given, cards: cards.filter((one) => !together.includes(one)) });
  return before.length ? [waiting, ...own] : own;
}

const timer = (other) => ({
  kind: TIMER,
  may_confirm: true,
  values: { job: other.job_number, part: other.part_number, name: other.name },
  other,
});

function earlierSteps(card, detail) {
  const open = (detail?.routing ?? []).filter((one) => one.sequence < card.sequence && one.status !== "completed");
  return open.map((one) => `${one.sequence} ${one.name}`).join(", ");
}

/** Tells each blocker in turn. Resolves to what the start carries, or null when there is no way, or the person thought better of it. */
export async function cleared(blockers) {
  const payload = {};
  for (const { kind, may_confirm, values, other } of blockers) {
    const choices = may_confirm ? [{ value: true, label: t(`blockers.${kind}_go`), primary: true }] : [];
    if (!(await ask({ title: t(`blockers.${kind}_title`), text: t(`blockers.${kind}_text`, values), choices }))) return null;
    if (other) payload.pause_other = other.id;
    else payload.confirmed = [...(payload.confirmed ?? []), kind];
  }
  return payload;
}
