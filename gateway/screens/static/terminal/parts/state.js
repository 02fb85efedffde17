import { number, t } from "shared/i18n.js";

/** What a card says: its state, what is left of it, when it is due. The words for it stand in i18n. */

export const DUE_SOON_DAYS = 2;
const HOUR_S = 3600;
const MINUTE_S = 60;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** @typedef {"ready"|"expected"|"running"|"paused"|"held"|"done"} State */

/** @type {Record<State, string>} */
export const ICONS = {
  ready: "circle",
  expected: "circle-dashed",
  running: "circle-play",
  paused: "circle-pause",
  held: "octagon-alert",
  done: "circle-check",
};

/** Section of a queue -> the states it holds. Who has paused his work finds it beside what runs. */
export const SECTIONS = { process: ["running", "paused"], next: ["ready"], expected: ["expected"], held: ["held"] };

/** @returns {State} */
export function stateOf(card) {
  if (card.status === "completed") return "done";
  if (card.held) return "held";
  if (card.status === "on_hold") return "paused";
  if (card.status === "in_progress") return "running";
  return card.waits ? "expected" : "ready";
}

/** Pieces that came off the machine, good or not. */
export const produced = (card) => card.good + card.scrap + card.rework;

/** Pieces that are still to come, by plan. */
export const left = (card) => Math.max(0, card.planned - produced(card));

/** The open timer that this operator has on it, or undefined. */
export const timerOf = (card, operatorId) => card.on_it.find((one) => one.operator_id === operatorId);

/** Those who work on it right now, without the one who asks. */
export const others = (card, operatorId) =>
  card.on_it.filter((one) => one.operator_id !== operatorId && !one.paused);

/** Is it worked on together with the others of its batch? */
export const runsAsBatch = (card) => card.batch?.status === "in_progress";

/** The cards of its batch that this screen knows, its own too. */
export const inBatch = (cards, card) => cards.filter((one) => one.batch_id && one.batch_id === card.batch_id);

/** Those of them that are still open. */
export const openInBatch = (cards, card) => inBatch(cards, card).filter((one) => one.status !== "completed");

/** Pieces are what the cloud counts; other units are called as they come. */
export const unitOf = (card) => (card.unit === "pc" ? t("card.pc") : card.unit);

/** Seconds of work that are left by plan; 0 when it takes longer than planned. */
export const remainingS = (card) => Math.max(0, card.estimated_s - card.worked_s);

/** Hours with one decimal, as people in a shop say them. */
export const hours = (seconds) => number(seconds / HOUR_S, 1);

/** Seconds on the timer of somebody who works: 0:07:42. */
export function clockOf(seconds) {
  const two = (value) => String(value).padStart(2, "0");
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / HOUR_S)}:${two(Math.floor(whole / MINUTE_S) % MINUTE_S)}:${two(whole % MINUTE_S)}`;
}

/** Seconds that somebody has worked since he came, without his pauses. `now`: the gateway's time in milliseconds. */
export function elapsedS({ since, paused, paused_at, paused_s = 0 }, now) {
  const end = paused && paused_at ? Date.parse(paused_at) : now;
  return Math.max(0, (end - Date.parse(since)) / 1000 - paused_s);
}

/** A day as a number, in the time of this screen: the difference of two is a number of days. */
export function dayOf(date) {
  return Math.floor((date.getTime() - date.getTimezoneOffset() * MINUTE_MS) / DAY_MS);
}

/** @returns {"overdue"|"today"|"soon"|""} how urgent a due date is on the day `today` */
export function urgency(card, today) {
  if (!card.due_date || card.status === "completed") return "";
  const days = dayOf(new Date(card.due_date)) - today;
  if (days < 0) return "overdue";
  if (days === 0) return "today";
  return days <= DUE_SOON_DAYS ? "soon" : "";
}

const LAST = "\uffff";

/** Rush first, then as upstream: planned start, due date, sequence; the id keeps it steady. */
export function inOrder(a, b) {
  return (
    Number(b.rush) - Number(a.rush) ||
    compare(a.planned_start ?? LAST, b.planned_start ?? LAST) ||
    compare(a.due_date ?? LAST, b.due_date ?? LAST) ||
    compare(a.job_number ?? LAST, b.job_number ?? LAST) ||
    a.sequence - b.sequence ||
    compare(a.id, b.id)
  );
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** Is it the same row? Replayed cards are new objects each time: what counts is what they hold. */
export function sameCard(a, b) {
  if (a === b) return true;
  if (!a || !b) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => same(a[name], b[name]));
}

function same(a, b) {
  if (Object.is(a, b)) return true;
  return typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b);
}
