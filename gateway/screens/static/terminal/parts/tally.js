/** Pieces that somebody is about to report: good, rework, and scrap by reason. Pure, and never changed: each tap makes the next. */

export const FIELDS = ["good", "scrap", "rework"];
export const PIECES_MAX = 99_999;
const RADIX = 10;

/**
 * @typedef {object} Tally
 * @property {number} good
 * @property {number} rework
 * @property {Record<string, number>} scrap  by the id of the reason
 * @property {"good"|"scrap"|"rework"} field  what the keypad counts
 * @property {string} reason  whose scrap it counts; "" while it is not chosen
 * @property {boolean} fresh  the next digit replaces the number instead of being added to it
 */

/** @returns {Tally} */
export const empty = (good = 0) => ({ good, rework: 0, scrap: {}, field: "good", reason: "", fresh: true });

/** What a command carried, to be changed. @returns {Tally} */
export function again({ good = 0, scrap = [], rework = 0 }) {
  return { ...empty(good), rework, scrap: Object.fromEntries(scrap.map((one) => [one.reason_id, one.quantity])) };
}

export const scrapOf = (tally) => Object.values(tally.scrap).reduce((sum, one) => sum + one, 0);
export const totalOf = (tally) => tally.good + tally.rework + scrapOf(tally);

/** The number that the keypad changes. */
export const currentOf = (tally) => (tally.field === "scrap" ? (tally.scrap[tally.reason] ?? 0) : tally[tally.field]);

/** Can the keypad be used? For scrap a reason comes first. */
export const counts = (tally) => tally.field !== "scrap" || tally.reason !== "";

export const choose = (tally, field) => ({ ...tally, field, reason: "", fresh: true });

/** The first tap on a reason counts one piece. */
export function because(tally, reason) {
  const scrap = { ...tally.scrap, [reason]: tally.scrap[reason] ?? 1 };
  return { ...tally, field: "scrap", reason, scrap, fresh: true };
}

/** `key`: "0".."9", "back", "clear", "-1", "+1", "+5" or "all"; `left`: pieces that the plan still wants beside those counted here. */
export function press(tally, key, left) {
  if (!counts(tally)) return tally;
  const now = currentOf(tally);
  if (key === "all") return set(tally, now + left, true);
  if (key === "clear") return set(tally, 0, true);
  if (key === "back") return set(tally, Math.floor(now / RADIX), false);
  if (key.length > 1) return set(tally, now + Number(key), true);
  return set(tally, (tally.fresh ? 0 : now * RADIX) + Number(key), false);
}

function set(tally, wanted, fresh) {
  const number = Math.min(PIECES_MAX, Math.max(0, wanted));
  if (tally.field !== "scrap") return { ...tally, [tally.field]: number, fresh };
  return { ...tally, scrap: { ...tally.scrap, [tally.reason]: number }, fresh };
}

/** What a command carries of it. */
export function payloadOf(tally) {
  const scrap = Object.entries(tally.scrap).filter(([, quantity]) => quantity > 0);
  return {
    good: tally.good,
    scrap: scrap.map(([reason_id, quantity]) => ({ reason_id, quantity })),
    rework: tally.rework,
  };
}
