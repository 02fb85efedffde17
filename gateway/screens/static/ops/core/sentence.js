import { day, span, t, time } from "shared/i18n.js";

/** Where each kind of thing that needs somebody is looked at. */
export const PLACES = {
  parked: "letters",
  conflicts: "letters",
  dead_letters: "letters",
  quarantined: "terminals",
  repairs: "repairs",
};

/** How many things in that place of the menu need somebody. */
export function needed(overview, place) {
  const found = overview?.needs_you.filter((one) => PLACES[one.what] === place) ?? [];
  return found.reduce((sum, one) => sum + one.count, 0);
}

/** 07:12, or Mon 30 Nov 07:12 when that was not today. */
export function when(at) {
  if (!at) return "–";
  const today = new Date(at).toDateString() === new Date().toDateString();
  return today ? time(at) : `${day(at)} ${time(at)}`;
}

/** The sentence of truth: state, what is stored, whether anybody is needed. */
export function sentence(overview) {
  return [standing(overview), stored(overview), needs(overview)].filter(Boolean).join(" ");
}

function standing({ state, since, error, paused, to_send }) {
  if (state === "paused") return t("ops.say.paused", { since: when(paused.since), by: paused.by });
  if (state === "sending") {
    const left = to_send.eta_s ? t("ops.say.left", { left: span(to_send.eta_s) }) : "";
    return `${t("ops.say.sending", { n: to_send.pending })} ${left}`.trim();
  }
  return t(`ops.say.${state}`, { since: when(since), error: error ?? "" });
}

function stored({ state, to_send: { pending, oldest_s } }) {
  if (state === "none" || state === "current" || state === "sending") return "";
  return pending ? t("ops.say.stored", { n: pending, oldest: span(oldest_s) }) : t("ops.say.nothing_waits");
}

function needs({ needs_you }) {
  const n = needs_you.reduce((sum, one) => sum + one.count, 0);
  return n ? t("ops.needs", { n }) : t("ops.say.nobody");
}
