// The two charts, drawn as SVG at the width that they are given.

import { h, s } from "./elements.js";
import * as w from "./words.js";

const RIGHT = 80;
const JST_MS = 9 * 3_600_000;
const HOURS = [1, 2, 3, 4, 6, 8, 12, 24];
const TAG = 20;
const NARROWEST = 5;

// Draws now and again whenever the width changes.
function chart(draw) {
  const host = h("div", { class: "chart" });
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now > 0 && now !== width) host.replaceChildren(draw((width = now), host));
  }).observe(host);
  return host;
}

// Round numbers between two values, about so many of them.
function ticks(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((unit) => unit * power).find((size) => size >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => (first + index) * step);
}

const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);

function gridLine(y, width, label) {
  return [
    s("line", { class: "grid", x1: 0, x2: width - RIGHT, y1: y, y2: y }),
    s("text", { x: width - RIGHT + 8, y: y + 4 }, label),
  ];
}

// Whole hours of Japanese time, so many that their labels have room.
function timeLabels(moments, xOf, width, y) {
  const hours = (moments.at(-1) - moments[0]) / 3_600_000;
  const room = Math.max(2, (width - RIGHT) / 84);
  const step = (HOURS.find((size) => hours / size <= room) ?? 24 * Math.ceil(hours / 24 / room)) * 3_600_000;
  const slot = (at) => Math.floor((at + JST_MS) / step);
  return moments.map((at, index) => {
    const x = xOf(index);
    if (!index || slot(at) === slot(moments[index - 1]) || x < 18 || x > width - RIGHT - 12) return "";
    return s("text", { x, y, "text-anchor": "middle" }, w.isMidnight(at) ? w.day(at) : w.clock(at));
  });
}

// A hair line under the pointer; `show` is told the nearest index, or null once the pointer has left.
function follow(svg, { count, xOf, height, width, show }) {
  const hair = s("line", { class: "hair", y1: 0, y2: height, visibility: "hidden" });
  svg.append(hair);
  svg.addEventListener("pointermove", (event) => {
    const x = event.clientX - svg.getBoundingClientRect().left;
    const span = (xOf(count - 1) - xOf(0)) / Math.max(1, count - 1) || width;
    const index = Math.min(count - 1, Math.max(0, Math.round((x - xOf(0)) / span)));
    hair.setAttribute("visibility", "visible");
    hair.setAttribute("x1", xOf(index));
    hair.setAttribute("x2", xOf(index));
    show(index);
  });
  svg.addEventListener("pointerleave", () => {
    hair.setAttribute("visibility", "hidden");
    show(null);
  });
}

export function priceChart(status, readout) {
  const { bars: all, fills } = status;
  const levels = priceLevels(status);
  showBar(readout, all.at(-1));

  return chart((width) => {
    const bars = all.slice(-Math.floor((width - RIGHT) / NARROWEST));
    const prices = bars.flatMap(([, , high, low]) => [high, low]);
    const [lowest, highest] = [Math.min(...prices), Math.max(...prices)];
    const near = levels.filter(({ price }) => Math.abs(price - bars.at(-1)[4]) < 2 * (highest - lowest));
    const low = Math.min(lowest, ...near.map(({ price }) => price));
    const high = Math.max(highest, ...near.map(({ price }) => price));
    const height = width < 560 ? 270 : 350;
    const floor = height - 26;
    const step = (width - RIGHT) / bars.length;
    const xOf = (index) => (index + 0.5) * step;
    const yOf = scale(low, high, floor - 14, 16);
    const label = w.word("chart_price", { bars: bars.length, low: w.yen(lowest), high: w.yen(highest) });
    const svg = s("svg", { height, role: "img", "aria-label": label });
    const tags = placed(near, yOf);
    const isFree = (price) => tags.every(({ tagY }) => Math.abs(tagY - yOf(price)) > TAG - 4);
    svg.append(
      ...ticks(low, high, height / 44).flatMap((price) => gridLine(yOf(price), width, isFree(price) ? w.number(price) : "")),
      ...timeLabels(bars.map(([openMs]) => openMs), xOf, width, height - 6),
      ...bars.map((bar, index) => candle(bar, xOf(index), step, yOf)),
      ...fills.map((fill) => mark(fill, bars, xOf, yOf)),
      ...tags.flatMap((tag) => levelLine(tag, width)),
    );
    follow(svg, { count: bars.length, xOf, height: floor, width, show: (index) => showBar(readout, bars[index ?? bars.length - 1]) });
    return svg;
  });
}

function priceLevels({ account, price }) {
  const levels = [];
  for (const held of account?.positions ?? []) {
    levels.push({ kind: "entry", name: w.word("entry"), price: Number(held.average_price) });
    if (held.stop) levels.push({ kind: "stop", name: w.word("stop_price"), price: Number(held.stop) });
    if (held.take_profit) levels.push({ kind: "target", name: w.word("take_profit"), price: Number(held.take_profit) });
  }
  if (price !== null) levels.push({ kind: "last", name: "", price: Number(price) });
  return levels;
}

// Tags from the top down, each moved as far as it takes to leave the one above it readable.
function placed(levels, yOf) {
  const tags = levels.map((level) => ({ ...level, y: yOf(level.price) })).sort((a, b) => a.y - b.y);
  let below = -Infinity;
  for (const tag of tags) below = tag.tagY = Math.max(tag.y, below + TAG);
  return tags;
}

function levelLine({ kind, name, price, y, tagY }, width) {
  return [
    s("line", { class: `level ${kind}`, x1: 0, x2: width - RIGHT, y1: y, y2: y }),
    name ? s("text", { class: `name ${kind}`, x: 4, y: y - 5 }, name) : "",
    s("g", { class: `tag ${kind}` },
      s("rect", { x: width - RIGHT + 2, y: tagY - 9, width: RIGHT - 2, height: 18, rx: 4 }),
      s("text", { x: width - RIGHT + 8, y: tagY + 4 }, w.number(price))),
  ];
}

function candle([, open, high, low, close], x, step, yOf) {
  const body = Math.max(1, Math.min(step * 0.62, 11));
  const [top, bottom] = [yOf(Math.max(open, close)), yOf(Math.min(open, close))];
  return s("g", { class: close >= open ? "rise" : "fall" },
    s("line", { x1: x, x2: x, y1: yOf(high), y2: yOf(low) }),
    s("rect", { x: x - body / 2, y: top, width: body, height: Math.max(1, bottom - top), rx: Math.min(1.5, body / 4), stroke: "none" }));
}

function mark(fill, bars, xOf, yOf) {
  const index = bars.findLastIndex(([openMs]) => openMs <= fill.executed_at_ms);
  if (index < 0) return "";
  const bought = fill.side === "buy";
  const [x, y] = [xOf(index), yOf(bought ? bars[index][3] : bars[index][2]) + (bought ? 6 : -6)];
  const far = bought ? 11 : -11;
  const what = `${w.word(fill.side)} ${fill.amount} BTC, ${w.yen(fill.price)}, ${w.moment(fill.executed_at_ms)}`;
  return s("path", { class: `mark ${fill.side}`, d: `M${x} ${y}l6.5 ${far}h-13z` }, s("title", {}, what));
}

function showBar(readout, [openMs, open, high, low, close]) {
  const pair = (key, value) => h("span", {}, w.word(key), " ", h("b", {}, w.number(value)));
  const change = close / open - 1;
  readout.replaceChildren(
    h("span", {}, `${w.moment(openMs)} JST`),
    pair("open_short", open), pair("high_short", high), pair("low_short", low), pair("close_short", close),
    h("span", { class: w.tone(change) }, w.percent(change, 2, true)),
  );
}

export function equityChart({ equity_curve: curve, account }, readout) {
  const worth = curve.map(([, equity]) => equity);
  const [low, high] = [Math.min(...worth), Math.max(...worth)];
  const falls = drawdowns(worth, account);
  const deepest = Math.min(-0.001, ...falls);
  const show = (index) => showPoint(readout, curve[index], falls[index]);
  show(curve.length - 1);

  return chart((width) => {
    const height = width < 560 ? 220 : 250;
    const [middle, floor] = [height - 88, height - 26];
    const xOf = scale(0, curve.length - 1, 1, width - RIGHT - 6);
    const pad = (high - low) * 0.08 || high * 0.001 || 1;
    const yOf = scale(low - pad, high + pad, middle - 14, 8);
    const fallOf = scale(0, deepest, middle + 4, floor - 4);
    const line = (values, y) => values.map((value, index) => `${index ? "L" : "M"}${xOf(index)} ${y(value)}`).join("");
    const closed = (path, y) => `${path}L${xOf(curve.length - 1)} ${y}L${xOf(0)} ${y}Z`;
    const path = line(worth, yOf);
    const label = w.word("chart_equity", { first: w.yen(worth[0]), last: w.yen(worth.at(-1)) });
    const svg = s("svg", { height, role: "img", "aria-label": label },
      s("defs", {}, s("linearGradient", { id: "worth-fade", x2: 0, y2: 1 },
        s("stop", { "stop-opacity": 0.22 }), s("stop", { offset: 1, "stop-opacity": 0 }))),
      ticks(low - pad, high + pad, 3).flatMap((value) => gridLine(yOf(value), width, w.number(value))),
      timeLabels(curve.map(([at]) => at), xOf, width, height - 6),
      s("path", { class: "under-worth", d: closed(path, middle - 8) }),
      s("path", { class: "worth", d: path }),
      gridLine(fallOf(0), width, w.percent(0, 0)),
      s("text", { x: width - RIGHT + 8, y: floor }, w.percent(deepest, 1)),
      s("path", { class: "fallen", d: closed(line(falls, fallOf), fallOf(0)) }),
      s("path", { class: "fall-line", d: line(falls, fallOf) }),
      s("circle", { class: "dot", cx: xOf(curve.length - 1), cy: yOf(worth.at(-1)), r: 4.5 }));
    follow(svg, { count: curve.length, xOf, height: floor, width, show: (index) => show(index ?? curve.length - 1) });
    return svg;
  });
}

// The peak may lie before the first point; the account knows of it.
function drawdowns(worth, account) {
  const known = account && account.drawdown < 1 ? Number(account.equity) / (1 - account.drawdown) : 0;
  let peak = known > Math.max(...worth) * (1 + 1e-9) ? known : worth[0];
  return worth.map((value) => value / (peak = Math.max(peak, value)) - 1);
}

function showPoint(readout, [at, equity], fall) {
  readout.replaceChildren(
    h("span", {}, `${w.moment(at)} JST`),
    h("span", {}, w.word("equity"), " ", h("b", {}, w.yen(equity))),
    h("span", {}, w.word("drawdown"), " ", h("b", {}, w.percent(fall, 2))),
  );
}
