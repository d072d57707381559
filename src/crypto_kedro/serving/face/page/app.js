// Asks the trader how it stands every few seconds, shows it, and carries the two orders that a human may give.

import * as cards from "./cards.js";
import { alarm, h } from "./elements.js";
import * as w from "./words.js";

const EVERY_MS = 3000;
const TOKEN = "crypto-kedro-token";
const THEMES = ["auto", "light", "dark"];
const CARDS = {
  tiles: ["account", "guards", "bars", "price", "data_age_ms"],
  price: ["bars", "fills", "price", "account"],
  equity: ["equity_curve", "account"],
  position: ["account", "price", "now_ms"],
  decision: ["decision"],
  funnel: ["funnel"],
  trades: ["trades"],
  incidents: ["incidents"],
  session: ["now_ms", "counts", "last_cycle", "checks"],
  model: ["lineage"],
};

const find = (id) => document.getElementById(id);
const drawn = new Map();
const open = new Set();
let status = null;
let answeredAt = Date.now();
let silent = false;
let running = false;

class Refused extends Error {
  constructor(sentence, code) {
    super(sentence);
    this.code = code;
  }
}

// 429 refuses a wrong token as 401 does, after many of them; the right one is never refused.
const isWrongToken = ({ code }) => code === 401 || code === 429;

async function ask(path, { method = "GET", body, token = sessionStorage.getItem(TOKEN) } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch(path, { method, body: body && JSON.stringify(body), headers, signal: AbortSignal.timeout(20000) });
  } catch {
    throw new Refused(w.word("unreachable"), 0);
  }
  const content = await answer.json().catch(() => ({ error: w.word("unreachable") }));
  if (!answer.ok) throw new Refused(content.error, answer.status);
  return content;
}

async function refresh() {
  try {
    status = await ask("/status");
    answeredAt = Date.now();
    silent = false;
  } catch (refusal) {
    if (isWrongToken(refusal)) return askForToken(refresh);
    silent = true;
  }
  show();
}

function show() {
  showPulse();
  showBanners();
  find("board").classList.toggle("old", silent);
  if (!status) return;
  const badge = find("environment");
  document.documentElement.dataset.environment = status.environment;
  badge.hidden = false;
  badge.className = `badge ${status.environment}`;
  badge.textContent = w.word(status.environment);
  const money = status.account ? `${w.yen(status.account.equity)} \u00b7 ` : "";
  document.title = `${money}${w.word(status.environment)} \u00b7 crypto-kedro`;
  find("stop").disabled = !status.takes_orders;
  find("stop").title = status.takes_orders ? "" : w.word("read_only");
  const means = { session: { runCycle, running }, model: { copy }, decision: open };
  for (const [id, parts] of Object.entries(CARDS)) {
    const seen = JSON.stringify([w.currentLanguage(), id === "session" && running, parts.map((part) => status[part])]);
    if (drawn.get(id) === seen) continue;
    drawn.set(id, seen);
    const focused = document.activeElement?.id;
    find(id).replaceChildren(...cards[id](status, means[id]).filter(Boolean));
    if (focused) find(focused)?.focus();
  }
  find("board").setAttribute("aria-busy", "false");
}

function showPulse() {
  const pulse = find("pulse");
  pulse.className = `pulse ${silent ? "off" : status ? "on" : ""}`;
  pulse.lastElementChild.textContent = w.word(silent ? "silent" : status ? "updated" : "loading");
}

function showBanners() {
  const banners = [];
  if (silent) banners.push(["bad", "", w.word("silent_banner", { time: w.exactClock(answeredAt) })]);
  const bare = status?.account?.positions.some((held) => held.stop === null);
  if (bare) banners.push(["bad", w.word("no_stop_banner"), w.word("no_stop_more")]);
  if (status?.halted) {
    const { by, reason, since_ms: since, flatten } = status.halted;
    const more = w.word("halted_more", { by, reason, since: w.moment(since) });
    const state = w.word(`halt_${status.halt_state}`);
    banners.push(["", w.word("halted_banner"), [more, flatten ? w.word("flattening") : null, state].filter(Boolean).join(" \u00b7 ")]);
  }
  const wrong = status ? new Set(cards.lacking(status).values()) : new Set();
  if (wrong.size) banners.push(["", w.word("not_ready_banner"), [...wrong].join(" \u00b7 ")]);
  const seen = JSON.stringify(banners);
  if (drawn.get("banners") === seen) return;
  drawn.set("banners", seen);
  find("banners").replaceChildren(...banners.map(([tone, title, more]) =>
    h("div", { class: `banner ${tone}` }, alarm(), h("p", {}, title ? h("b", {}, title) : null, h("span", {}, more)))));
}

function askForToken(then) {
  const dialog = find("token-dialog");
  if (dialog.open) return;
  const form = find("token-form");
  form.reset();
  form.querySelector(".refused").textContent = "";
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      const token = form.elements.token.value.trim();
      await ask("/status", { token });
      sessionStorage.setItem(TOKEN, token);
    } catch (refusal) {
      form.querySelector(".refused").textContent = refusal.message;
      return;
    }
    dialog.close();
    await then();
  };
  dialog.showModal();
}

function askToStop() {
  const [dialog, form] = [find("stop-dialog"), find("stop-form")];
  const refused = form.querySelector(".refused");
  form.reset();
  refused.textContent = "";
  form.elements.reason.value = w.word("reason_default");
  const ownToken = form.querySelector(".token");
  const needsToken = () => {
    ownToken.hidden = Boolean(sessionStorage.getItem(TOKEN));
    form.elements.token.required = !ownToken.hidden;
  };
  needsToken();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const { reason, flatten, token } = form.elements;
    const shown = ownToken.hidden ? undefined : token.value.trim();
    try {
      await ask("/stop", { method: "POST", body: { reason: reason.value, flatten: flatten.value === "yes" }, token: shown });
    } catch (refusal) {
      refused.textContent = refusal.message;
      if (isWrongToken(refusal)) sessionStorage.removeItem(TOKEN);
      return needsToken();
    }
    if (shown) sessionStorage.setItem(TOKEN, shown);
    dialog.close();
    toast("stopped_toast");
    await refresh();
  };
  dialog.showModal();
}

// A one-time link carries a code in its fragment; the session exchanges it once for the token, and this tab keeps that.
async function useLink() {
  const code = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!code) return;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    sessionStorage.setItem(TOKEN, (await ask("/token", { method: "POST", token: code })).token);
    toast("link_toast");
  } catch (refusal) {
    toast(refusal.code === 410 ? "link_used" : refusal.message);
  }
}

async function runCycle() {
  if (!sessionStorage.getItem(TOKEN)) return askForToken(runCycle);
  running = true;
  show();
  try {
    await ask("/tick", { method: "POST" });
    toast("cycle_toast");
  } catch (refusal) {
    if (isWrongToken(refusal)) sessionStorage.removeItem(TOKEN);
    toast(refusal.message);
  }
  running = false;
  await refresh();
}

async function copy(text) {
  // A browser lends its clipboard over https and on this machine only.
  await navigator.clipboard?.writeText(text);
  if (navigator.clipboard) toast("copied");
}

function toast(text) {
  document.querySelector(".toast")?.remove();
  const note = h("div", { class: "toast", role: "status" }, w.word(text));
  document.body.append(note);
  setTimeout(() => note.remove(), 4000);
}

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  const button = find("theme");
  button.lastElementChild.textContent = w.word(`theme_${theme}`);
  button.setAttribute("aria-label", w.word("switch_theme", { theme: w.word(`theme_${theme}`) }));
}

function showLanguage(language) {
  w.useLanguage(language);
  const button = find("language");
  button.textContent = w.word("other_language");
  button.setAttribute("aria-label", w.word("switch_language"));
  button.lang = w.otherLanguage();
  showTheme(document.documentElement.dataset.theme);
  drawn.clear();
  show();
}

async function begin() {
  document.documentElement.dataset.theme = w.stored("theme") ?? "auto";
  await w.loadWords();
  showLanguage(w.currentLanguage());
  find("language").onclick = () => showLanguage(w.otherLanguage());
  find("theme").onclick = () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    w.store("theme", next);
    showTheme(next);
  };
  find("stop").onclick = askToStop;
  for (const button of document.querySelectorAll("[data-close]")) button.onclick = () => button.closest("dialog").close();
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  window.addEventListener("hashchange", useLink);
  await useLink();
  await refresh();
  setInterval(() => document.hidden || refresh(), EVERY_MS);
}

begin();
