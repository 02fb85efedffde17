import { t } from "shared/i18n.js";
import { ask } from "./ask.js";
import { inBatch, openInBatch } from "./state.js";

const BEGINS = ["draft", "ready"]; // what a batch may be when it is started
export const BATCH = "batch";
export const SINGLE = "single";

/** Can the card be started together with others? */
export const begins = (card) => BEGINS.includes(card.batch?.status);

/**
 * All of the batch, or this one alone?
 * @param {"start"|"finish"} verb
 * @returns {Promise<"batch"|"single"|undefined>} undefined when somebody thought better of it
 */
export function batchOrSingle(verb, card) {
  const { number, operations } = card.batch;
  return ask({
    title: t(`batch.${verb}_title`),
    list: true,
    choices: [
      { value: BATCH, label: t("batch.all", { number, n: operations }) },
      { value: SINGLE, label: t("batch.alone", { name: `${card.sequence} ${card.name}` }) },
    ],
  });
}

/**
 * What a batch that ends leaves differently from its plan in its other operations, told before it ends.
 * @returns {Promise<string[] | null>} what is confirmed with that; null when somebody thought better of it
 */
export async function othersConfirmed(cards, card) {
  const others = openInBatch(cards, card).filter((one) => one.id !== card.id);
  const off = others.filter((one) => one.good !== one.planned);
  const unseen = card.batch.operations - inBatch(cards, card).length;
  if (!off.length && unseen <= 0) return [];
  const lines = off.map(({ job_number, part_number, good, planned }) => t("batch.pieces", { job: job_number, part: part_number, good, planned }));
  if (unseen > 0) lines.push(t("batch.unseen", { n: unseen }));
  const choices = [{ value: true, label: t("batch.rest_go"), primary: true }];
  const agreed = await ask({ title: t("batch.rest_title"), text: t("batch.rest_text", { list: lines.join("; ") }), choices });
  return agreed ? ["under_plan", "over_plan"] : null;
}
