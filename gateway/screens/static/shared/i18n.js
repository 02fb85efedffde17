/**
 * Words of the pages. `t("badge.clock", {span})`; a value is text with {names}, or forms by number:
 * {"one": "{n} tap", "other": "{n} taps"}, chosen by `n`. Dates and numbers by Intl, 24 hours.
 */

export const LANGUAGES = ["en", "nl", "de"];
const FALLBACK = "en";
const FOLDER = new URL("../i18n/", import.meta.url);

/** Language -> its words, as far as they were asked for. */
const loaded = new Map();
let current = FALLBACK;
let plurals = new Intl.PluralRules(FALLBACK);
let numbers = new Map();

/** The first of these that the pages speak: "de-AT" is "de". */
export function spoken(...wanted) {
  for (const one of wanted) {
    const language = String(one ?? "").slice(0, 2).toLowerCase();
    if (LANGUAGES.includes(language)) return language;
  }
  return FALLBACK;
}

/** Brings a language's words without speaking it: for the time when there is no gateway. */
export async function fetchWords(language) {
  if (!loaded.has(language)) {
    const answer = await fetch(new URL(`${language}.json`, FOLDER));
    if (!answer.ok) throw new Error(`no words for ${language}: ${answer.status}`);
    loaded.set(language, await answer.json());
  }
}

/** Speaks a language from now on; stays with the one before when its words cannot be had. */
export async function speak(language) {
  const wanted = spoken(language);
  await fetchWords(wanted);
  current = wanted;
  plurals = new Intl.PluralRules(wanted);
  numbers = new Map();
  document.documentElement.lang = wanted;
}

export function language() {
  return current;
}

export function t(key, values = {}) {
  const found = looked(current, key) ?? looked(FALLBACK, key);
  if (found === undefined) {
    console.error(`i18n: no words for ${key}`);
    return key;
  }
  const text = typeof found === "string" ? found : (found[plurals.select(values.n ?? 0)] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined || value === null) return "";
    return typeof value === "number" ? number(value) : String(value);
  });
}

function looked(language, key) {
  return key.split(".").reduce((words, name) => words?.[name], loaded.get(language));
}

export function number(value, decimals = undefined) {
  const key = decimals ?? "any";
  if (!numbers.has(key)) {
    const digits = decimals === undefined ? { maximumFractionDigits: 3 } : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    numbers.set(key, new Intl.NumberFormat(current, digits));
  }
  return numbers.get(key).format(value);
}

/** 07:12 */
export function time(at) {
  return new Intl.DateTimeFormat(current, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at));
}

/** Mon 30 Nov; with the year where it is another one. */
export function day(at) {
  const date = new Date(at);
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return new Intl.DateTimeFormat(current, { weekday: "short", day: "numeric", month: "short", ...year }).format(date);
}

/** 45 s, 12 min, 3 h 02 min, 2 d 4 h */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t("common.seconds", { s });
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return t("common.minutes", { m: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return t("common.hours_minutes", { h: hours, m: String(minutes % 60).padStart(2, "0") });
  return t("common.days_hours", { d: Math.floor(hours / 24), h: hours % 24 });
}
