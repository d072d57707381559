// Elements from text and values; nothing that the trader says is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);
export const s = (tag, attributes = {}, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

export const tick = () => s("svg", { viewBox: "0 0 24 24", "aria-hidden": true }, s("path", { d: "M5 13l4 4L19 7" }));
export const cross = () => s("svg", { viewBox: "0 0 24 24", "aria-hidden": true }, s("path", { d: "M6 6l12 12M18 6L6 18" }));
export const alarm = () =>
  s("svg", { viewBox: "0 0 24 24", "aria-hidden": true }, s("path", { d: "M12 4 2.8 20h18.4zM12 10v4.5M12 17.4v.1" }));

export function heading(title, ...aside) {
  return h("header", {}, h("h2", {}, title), aside.length ? h("span", { class: "aside" }, ...aside) : null);
}

// Pairs of a name and what stands beside it; a pair without a value is left out.
export function facts(...pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
