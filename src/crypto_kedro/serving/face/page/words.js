// Words, numbers and moments in the reader's language; every moment is told in Japanese time.

const LANGUAGES = ["en", "ja"];
const ZONE = "Asia/Tokyo";
const MINUS = "\u2212";

let words = {};
let language = "en";

export async function loadWords() {
  words = await (await fetch("/page/words.json")).json();
  const wished = stored("language") ?? (navigator.language.startsWith("ja") ? "ja" : "en");
  useLanguage(LANGUAGES.includes(wished) ? wished : "en");
}

export function useLanguage(chosen) {
  language = chosen;
  store("language", chosen);
  document.documentElement.lang = chosen;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  for (const element of document.querySelectorAll("[data-word-label]")) {
    element.setAttribute("aria-label", word(element.dataset.wordLabel));
  }
}

export const currentLanguage = () => language;
export const otherLanguage = () => LANGUAGES.find((code) => code !== language);

export function word(key, values = {}) {
  const text = words[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const gate = (name) => words[language].gates[name] ?? name;
export const reason = (name) => words[language].reasons[name] ?? name;

// The order in which the core asks: gates first, then what became of the bars that passed them.
export function inOrderOfReasons(counts) {
  const order = Object.keys(words[language].reasons);
  return counts.toSorted(([one], [other]) => order.indexOf(one) - order.indexOf(other));
}

// A browser may forbid storage; the page then forgets the choice.
export function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

export function store(name, value) {
  try { localStorage.setItem(name, value); } catch { /* see above */ }
}

const trueMinus = (text) => text.replace("-", MINUS);

export function number(value, decimals = 0) {
  if (value === null || !Number.isFinite(value)) return word("unknown");
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return trueMinus(new Intl.NumberFormat(language, options).format(value));
}

export const yen = (value) => "\u00a5" + number(Number(value), 0);

export function gain(value) {
  const sum = Number(value);
  const size = Math.abs(sum);
  const text = number(size, size > 0 && size < 100 ? 2 : 0);
  return (sum > 0 ? "+" : sum < 0 ? MINUS : "") + "\u00a5" + text;
}

export function percent(fraction, decimals = 1, signed = false) {
  if (fraction === null || !Number.isFinite(fraction)) return word("unknown");
  return (signed && fraction > 0 ? "+" : "") + number(fraction * 100, decimals) + "%";
}

export const tone = (value) => (Number(value) > 0 ? "up" : Number(value) < 0 ? "down" : "");

export function significant(value) {
  if (value === null) return word("unknown");
  const options = Math.abs(value) >= 10000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 };
  return trueMinus(new Intl.NumberFormat(language, options).format(value));
}

const formatted = (options) => (ms) =>
  new Intl.DateTimeFormat(language === "ja" ? "ja-JP" : "en-GB", { timeZone: ZONE, hourCycle: "h23", ...options }).format(ms);

export const clock = formatted({ hour: "2-digit", minute: "2-digit" });
export const exactClock = formatted({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const day = formatted({ month: "short", day: "numeric" });
export const moment = (ms) => `${day(ms)} ${clock(ms)}`;
export const isMidnight = (ms) => clock(ms) === "00:00";

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? UNITS[3];
  const text = inUnit(Math.floor(seconds / size), unit);
  const next = UNITS[UNITS.findIndex(([name]) => name === unit) + 1];
  const rest = next && unit !== "minute" ? Math.floor((seconds % size) / next[1]) : 0;
  return rest ? `${text} ${inUnit(rest, next[0])}` : text;
}

function inUnit(count, unit) {
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: language === "ja" ? "long" : "short" }).format(count);
}

export const took = (ms) => (ms < 1000 ? `${number(ms)} ms` : duration(ms));
