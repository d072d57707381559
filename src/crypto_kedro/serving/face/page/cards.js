// One function for each card: a part of the status in, elements out.

import { equityChart, priceChart } from "./charts.js";
import { cross, facts, h, heading, s, tick } from "./elements.js";
import * as w from "./words.js";

export function tiles(status) {
  const { account, guards, bars, price, data_age_ms: age } = status;
  const known = (value, text) => (value === null || value === undefined ? "\u2013" : text(value));
  const change = bars.length > 1 && price !== null ? Number(price) / bars[0][1] - 1 : null;
  const hours = Math.round((bars.length * 15) / 60);
  return [
    tile("equity", known(account?.equity, w.yen), "", account ? [
      w.word("cash", { cash: w.yen(account.cash) }), account.positions.length ? w.word("open_result", { net: w.gain(openResult(account)) }) : ""] : []),
    tile("day_net", known(account?.day_net, w.gain), w.tone(account?.day_net), account ? [
      w.word("trades_of", { count: account.day_trades, limit: guards.max_trades_a_day }),
      w.word("week_net", { net: w.gain(account.week_net) })] : []),
    tile("drawdown", known(account?.drawdown, (fall) => w.percent(fall, 2)), "", account ? [
      w.word("deepest", { deepest: w.percent(account.deepest_drawdown) }),
      w.word("of_limit", { limit: w.percent(guards.max_drawdown, 0) })] : [],
      account ? meter(account.deepest_drawdown / guards.max_drawdown) : null),
    tile("price", known(price, w.yen), "", change === null ? [] : [
      h("span", { class: w.tone(change) }, w.word("over_shown", { change: w.percent(change, 2, true), hours })),
      w.word("bar_closed", { age: w.duration(age) })]),
  ];
}

const openResult = ({ positions }) => positions.reduce((sum, held) => sum + Number(held.unrealized) - Number(held.costs), 0);

function tile(name, figure, tone, under, extra = null) {
  return h("div", { class: "tile", id: `tile-${name}` },
    h("h2", {}, w.word(name)),
    h("span", { class: `figure ${tone}` }, figure), extra,
    h("div", { class: "under" }, under.map((text) => h("span", {}, text))));
}

function meter(share) {
  const width = Math.min(100, Math.max(0, share * 100));
  return h("div", { class: share > 0.75 ? "meter hot" : "meter", "aria-hidden": true },
    s("svg", { viewBox: "0 0 100 5", preserveAspectRatio: "none" }, s("rect", { width, height: 5 })));
}

export function price(status) {
  const title = heading(w.word("price_title"));
  if (!status.bars.length) return [title, empty("no_bars")];
  const readout = h("div", { class: "readout" });
  const sign = (side, path) => h("span", {}, s("svg", { viewBox: "0 0 12 12" }, s("path", { class: side, d: path })), w.word(side));
  const legend = h("div", { class: "legend" }, sign("buy", "M6 1l6 10H0z"), sign("sell", "M6 11L0 1h12z"));
  return [title, readout, priceChart(status, readout), status.fills.length ? legend : null];
}

export function equity(status) {
  const title = heading(w.word("equity_title"));
  if (status.equity_curve.length < 2) return [title, empty("no_curve")];
  const readout = h("div", { class: "readout" });
  return [title, readout, equityChart(status, readout)];
}

export function position({ account, price: mark, now_ms: now }) {
  const title = heading(w.word("position"));
  if (!account) return [title, empty("unknown")];
  const rest = [[w.word("margin_ratio"), account.margin_ratio === null ? null : w.percent(account.margin_ratio, 0)],
    [w.word("orders_open"), String(account.open_orders)]];
  if (!account.positions.length) {
    const ring = s("svg", { viewBox: "0 0 24 24", "aria-hidden": true }, s("path", { d: "M4 12h16" }));
    return [title, h("div", { class: "flat-note" }, ring,
      h("p", {}, h("b", {}, w.word("flat")), h("span", { class: "soft" }, w.word("flat_more")))), facts(...rest)];
  }
  return [title, ...account.positions.map((held, index) => heldPosition(held, Number(mark), now, index ? [] : rest))];
}

function heldPosition(held, mark, now, rest) {
  const entry = Number(held.average_price);
  const move = (mark / entry - 1) * (held.side === "long" ? 1 : -1);
  return h("div", { class: "held" },
    h("div", { class: "held-head" },
      h("span", { class: `badge ${held.side === "long" ? "up" : "down"}` }, w.word(held.side)),
      h("span", {}, `${held.amount} BTC`),
      h("span", { class: `gain ${w.tone(held.unrealized)}` }, w.gain(held.unrealized), h("small", {}, w.percent(move, 2, true)))),
    held.stop && held.take_profit ? rail(held, entry, mark) : null,
    facts(
      [w.word("average_price"), w.yen(entry)],
      [w.word("stop_price"), held.stop ? `${w.yen(held.stop)}, ${w.word("at_exchange")}` : h("b", { class: "down" }, w.word("no_stop"))],
      [w.word("covered"), h("b", { class: held.stop && Number(held.covered) < Number(held.amount) ? "down" : "" }, `${held.covered} / ${held.amount} BTC`)],
      [w.word("take_profit"), held.stop && held.take_profit ? null : held.take_profit && w.yen(held.take_profit)],
      [w.word("held_for"), held.opened_at_ms === null ? w.word("unknown") : w.duration(now - held.opened_at_ms)],
      [w.word("costs"), w.yen(held.costs)], ...rest));
}

// From the stop on the left to the take-profit on the right, for a short position as well.
function rail(held, entry, mark) {
  const [stop, target] = [Number(held.stop), Number(held.take_profit)];
  const place = (at) => Math.min(100, Math.max(0, ((at - stop) / (target - stop)) * 100));
  const [from, here] = [place(entry), place(mark)];
  const won = here >= from;
  const pixels = (share) => `${share}%`;
  const away = (at) => w.percent((at / mark - 1), 1, true);
  return h("div", { class: "rail" },
    s("svg", { "aria-hidden": true },
      s("rect", { class: "loss", width: pixels(from), height: 10, y: 8, rx: 5 }),
      s("rect", { class: "profit", x: pixels(from), width: pixels(100 - from), height: 10, y: 8, rx: 5 }),
      s("rect", { class: won ? "profit-run" : "loss-run", x: pixels(Math.min(from, here)), width: pixels(Math.abs(here - from)), height: 10, y: 8 }),
      s("line", { class: "from", x1: pixels(from), x2: pixels(from), y1: 3, y2: 23 }),
      s("circle", { class: "here", cx: pixels(here), cy: 13, r: 8 })),
    h("div", { class: "rail-ends" },
      h("span", {}, w.word("stop_price"), h("b", {}, w.yen(stop)), away(stop)),
      h("span", {}, w.word("entry"), h("b", {}, w.yen(entry))),
      h("span", {}, w.word("take_profit"), h("b", {}, w.yen(target)), away(target))));
}

export function decision({ decision: record, decision_words: said }, open) {
  if (!record) return [heading(w.word("decision")), empty("no_decision")];
  const passed = record.gates.filter((gate) => gate.passed).length;
  const summary = w.word("gates_pass", { passed, all: record.gates.length });
  return [
    heading(w.word("decision"), `${w.moment(record.at_ms)} JST`),
    h("p", { class: "sentence" }, said[w.currentLanguage()]),
    chances(record.probabilities),
    h("div", { class: "gate-dots", role: "img", "aria-label": summary }, record.gates.map((gate) =>
      h("i", { class: gate.passed ? "" : "no", title: `${w.gate(gate.name)}: ${w.word(gate.passed ? "passes" : "fails")}` }))),
    h("details", { open: open.has("gates"), ontoggle: (event) => (event.target.open ? open.add("gates") : open.delete("gates")) },
      h("summary", {}, summary),
      h("table", { class: "gates" }, h("tbody", {}, record.gates.map(gateRow)))),
  ];
}

function gateRow(gate) {
  return h("tr", { class: gate.passed ? "" : "no" },
    h("td", {}, gate.passed ? tick() : cross(), h("span", { class: "unseen" }, w.word(gate.passed ? "passes" : "fails"))),
    h("td", { title: gate.name }, w.gate(gate.name)),
    h("td", { class: "number" }, w.significant(gate.value)),
    h("td", { class: "number soft" }, `${RULES[gate.rule] ?? gate.rule} ${w.significant(gate.threshold)}`));
}

const RULES = { "<=": "\u2264", ">=": "\u2265" };

function chances({ short, flat, long }) {
  if ([short, flat, long].includes(null)) return null;
  const parts = [["short", short, 0], ["flat", flat, short], ["long", long, short + flat]];
  return h("div", { class: "chances" },
    s("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": true },
      parts.map(([name, share, from]) => s("rect", { class: name, x: from * 100, width: share * 100, height: 10 }))),
    h("ul", {}, parts.map(([name, share]) => h("li", {}, `${w.word(`p_${name}`)} `, h("b", {}, w.percent(share, 0))))));
}

// Each row begins where the row before it ended: what is left of the bars runs from the left to the right.
export function funnel({ funnel: counts }) {
  const all = counts.reduce((sum, [, bars]) => sum + bars, 0);
  if (!all) return [heading(w.word("funnel")), empty("no_funnel")];
  const entries = counts.find(([name]) => name === "signal")?.[1] ?? 0;
  const inOrder = w.inOrderOfReasons(counts);
  let from = 0;
  return [
    heading(w.word("funnel"), w.word("funnel_lead", { bars: all, entries })),
    h("ol", { class: "funnel" }, inOrder.map(([name, bars]) => {
      const row = h("li", { class: name === "signal" ? "taken" : "" }, h("span", {}, w.reason(name)), h("b", {}, w.number(bars)),
        s("svg", { viewBox: "0 0 100 7", preserveAspectRatio: "none", "aria-hidden": true },
          s("rect", { x: (from / all) * 100, width: (bars / all) * 100, height: 7 })));
      from += bars;
      return row;
    })),
  ];
}

export function trades({ trades: closed }) {
  if (!closed.length) return [heading(w.word("trades")), empty("no_trades")];
  const sum = closed.reduce((total, trade) => total + Number(trade.net), 0);
  const head = ["opened", "closed", "side", "amount", "entry", "exit", "net", "why"];
  const numbers = ["amount", "entry", "exit", "net"];
  const roomy = ["opened", "entry", "exit"];
  const kind = (name) => `${numbers.includes(name) ? "number" : ""} ${roomy.includes(name) ? "roomy" : ""}`;
  return [
    heading(w.word("trades"), h("b", { class: w.tone(sum) }, w.gain(sum))),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": w.word("trades") }, h("table", { class: "rows" },
      h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col", class: kind(name) }, w.word(name))))),
      h("tbody", {}, closed.map(tradeRow)))),
  ];
}

function tradeRow(trade) {
  const at = (product) => w.number(Number(product) / Number(trade.amount));
  return h("tr", {},
    h("td", { class: "roomy" }, w.clock(trade.opened_at_ms)), h("td", {}, w.clock(trade.closed_at_ms)),
    h("td", {}, h("span", { class: `badge ${trade.side === "long" ? "up" : "down"}` }, w.word(trade.side))),
    h("td", { class: "number" }, trade.amount),
    h("td", { class: "number roomy" }, at(trade.entry_product)), h("td", { class: "number roomy" }, at(trade.exit_product)),
    h("td", { class: `number net ${w.tone(trade.net)}` }, w.gain(trade.net)),
    h("td", { class: "soft why" }, w.reason(trade.exit_reason)));
}

// What is wrong with each check that does not hold.
export function lacking({ checks, last_cycle: cycle, bar_close_ms: seen }) {
  const begun = { data: seen !== null, cycle: cycle !== null, pace: cycle !== null, lease: true };
  const failing = Object.keys(checks).filter((name) => !checks[name]);
  return new Map(failing.map((name) => [name, w.word(begun[name] ? `no_${name}` : name === "data" ? "no_data_yet" : "no_cycle_yet")]));
}

const LEVELS = { critical: "down", warning: "caution", info: "" };

export function incidents({ incidents: seen }) {
  if (!seen.length) return [heading(w.word("incidents")), empty("no_incidents")];
  return [heading(w.word("incidents")), h("ul", { class: "events", tabindex: 0 }, seen.map((incident) => h("li", {},
    h("span", { class: `badge ${LEVELS[incident.severity]}` }, w.word(incident.severity)),
    h("b", {}, breakable(incident.code)), h("time", {}, w.moment(incident.at_ms)),
    h("span", { class: "what" }, incident.text))))];
}

export function session(status, { runCycle, running }) {
  const { counts, last_cycle: cycle, now_ms: now, next_wake_ms: wake } = status;
  const wrong = lacking(status);
  const last = cycle && w.word("last_cycle_value", {
    ago: w.duration(now - cycle.ended_at_ms), trigger: w.word(`trigger_${cycle.trigger}`), took: w.took(cycle.ended_at_ms - cycle.started_at_ms) });
  const next = wake === null ? w.word("on_tick") : wake <= now ? w.word("now") : w.word("next_in", { time: w.duration(wake - now) });
  return [
    heading(w.word("session")),
    h("ul", { class: "checks" }, Object.keys(status.checks).map((name) =>
      h("li", { class: wrong.has(name) ? "no" : "" }, wrong.has(name) ? cross() : tick(), h("span", {}, wrong.get(name) ?? w.word(`check_${name}`))))),
    facts([w.word("session_id"), h("code", {}, status.session_id)], [w.word("running_for"), w.duration(now - status.started_at_ms)],
      [w.word("stage"), String(status.funding_stage)],
      [w.word("cycles"), w.word("cycles_value", { cycles: w.number(counts.cycles), failed: w.number(counts.failed) })],
      [w.word("sent"), w.number(counts.sent)], [w.word("last_cycle"), last], [w.word("next_cycle"), next]),
    cycle?.error ? h("p", { class: "refused" }, cycle.error) : null,
    status.takes_orders ? h("button", { class: "wide-button", type: "button", id: "run-cycle", disabled: running, onclick: runCycle },
      w.word(running ? "running_cycle" : "run_cycle")) : null,
  ];
}

export function model({ lineage }, { copy }) {
  if (!lineage) return [heading(w.word("model")), empty("no_model")];
  const source = h("span", { class: `badge ${lineage.data_source === "synthetic" ? "caution" : ""}` }, w.word(`source_${lineage.data_source}`));
  const short = (what, value) => [w.word(what), h("button", { class: "copy", type: "button", title: value,
    "aria-label": w.word("copy", { what: w.word(what) }), onclick: () => copy(value) }, h("code", {}, value.slice(0, 12)))];
  return [heading(w.word("model"), source),
    facts([w.word("version"), lineage.model_version], short("run", lineage.run_id), short("bundle", lineage.bundle_digest),
      short("features", lineage.feature_set_hash), short("data_hash", lineage.data_sha256),
      short("model_sha", lineage.model_git_sha), short("trader_sha", lineage.trader_git_sha))];
}

// A code may be broken after each underscore.
const breakable = (code) => code.split(/(?<=_)/).flatMap((part) => [part, h("wbr")]);

const empty = (key) => h("p", { class: "empty" }, w.word(key));
