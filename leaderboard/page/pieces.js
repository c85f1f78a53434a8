"use strict";

// Small pieces every part of the page is made of. All text goes through textContent: nothing is ever parsed as HTML.

const DATA = JSON.parse(document.getElementById("data").textContent);
const MISSING = "–";

function make(tag, options, ...children) {
  const { text, ...rest } = options || {};
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "onclick" || name === "oninput" || name === "onchange") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  if (text !== undefined && text !== null) node.textContent = String(text);
  for (const child of children.flat(Infinity)) if (child) node.append(child);
  return node;
}

// A name from a plugin or a model keeps its own writing direction to itself.
function name(text, options) {
  return make("bdi", { ...options, text });
}

// The same with places to break a long name at.
function longName(text) {
  const parts = String(text).split(/(?<=[_\-,\[/])/);
  return make("bdi", {}, parts.flatMap((part, i) => (i ? [make("wbr"), part] : [part])));
}

function fixed(value, decimals) {
  if (value === null || value === undefined) return MISSING;
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? (0).toFixed(decimals) : text.replace("-", "−");
}

function big(value) {
  if (value === null || value === undefined) return MISSING;
  let scaled = value;
  for (const letter of ["", "k", "M", "G", "T"]) {
    const short = Number(scaled.toPrecision(3));
    if (Math.abs(short) < 1000 || letter === "T") return short + letter;
    scaled /= 1000;
  }
  return MISSING;
}

function dollars(value) {
  if (value === null || value === undefined) return MISSING;
  return value === 0 ? "0" : String(Number(value.toPrecision(3)));
}

function written(value, column) {
  if (value === null || value === undefined) return MISSING;
  if (column.kind === "big") return big(value);
  if (column.kind === "money") return dollars(value);
  if (column.kind === "share") return fixed(100 * value, value < 0.0995 && value > 0 ? 1 : 0) + "%";
  return fixed(value, column.decimals);
}

function pvalue(value) {
  if (value === null || value === undefined) return MISSING;
  return value < 0.001 ? "< 0.001" : value.toFixed(3);
}

function seconds(value) {
  return value >= 90 ? (value / 60).toFixed(1) + " min" : value.toFixed(1) + " s";
}

// A thin track with the interval as a bar and the point as a dot; low and high are the ends of the column.
function track(cell, low, high, extra) {
  const [point, from, to] = cell;
  const width = high - low;
  if (point === null || !(width > 0)) return null;
  const at = (x) => (100 * Math.min(1, Math.max(0, (x - low) / width))).toFixed(2) + "%";
  const node = make("span", { class: "track", "aria-hidden": "true" });
  if (extra && extra.band) {
    const band = make("i", { class: "band" });
    band.style.left = at(-extra.band);
    band.style.width = (100 * Math.min(1, (2 * extra.band) / width)).toFixed(2) + "%";
    node.append(band);
  }
  if (extra && extra.zero) {
    const zero = make("i", { class: "zero" });
    zero.style.left = at(0);
    node.append(zero);
  }
  if (from !== null && to !== null) {
    const bar = make("i", { class: "bar" });
    bar.style.left = at(from);
    bar.style.right = `calc(100% - ${at(to)})`;
    node.append(bar);
  }
  const dot = make("i", { class: "dot" });
  dot.style.left = at(point);
  node.append(dot);
  return node;
}

function bounds(cell, write) {
  const [point, low, high, , reason] = cell;
  if (point === null) return reason || "";
  if (low === null || high === null) return reason || "no interval";
  return `[${write(low)}, ${write(high)}]`;
}

// The interval below a number of a large table, where it has one; gaps says why it has none, once for the table.
function below(cell, column) {
  if (column.kind !== "number" || cell[0] === null || cell[1] === null || cell[2] === null) return null;
  return make("span", { class: "ci", text: bounds(cell, (v) => written(v, column)) });
}

const cellTitle = (cell) => cell[4] || `n = ${cell[3]} datasets`;

// Why measures and scores, or their intervals, are missing: each reason once, for numbers with the rows it holds for.
function gaps(rows) {
  const reasons = { number: new Map(), interval: new Map() };
  for (const { row, cells } of rows) {
    for (const { cell, column } of cells) {
      if (column.kind !== "number" || (cell[0] !== null && cell[1] !== null && cell[2] !== null)) continue;
      const what = cell[0] === null ? "number" : "interval";
      const why = cell[4] || "the analysis does not say why";
      reasons[what].set(why, (reasons[what].get(why) || new Set()).add(row));
    }
  }
  const some = (names) => [...names].slice(0, 3).join(", ") + (names.size > 3 ? ` and ${names.size - 3} more` : "");
  const notes = [];
  if (reasons.interval.size) notes.push(`Where a number has no interval: ${[...reasons.interval.keys()].join("; ")}.`);
  for (const [why, names] of reasons.number) notes.push(`No number for ${some(names)}: ${why}.`);
  return notes.map((note) => make("p", { class: "note" }, name(note)));
}

// A link only where a reference is an arXiv number or an https address.
function reference(info) {
  const words = name(info.reference || "none");
  return info.link ? make("a", { href: info.link, rel: "noopener noreferrer" }, words) : words;
}

// A method's own page beside this one, where its plugin was found; the theme goes along.
function methodLink(method, label) {
  const page = DATA.pages[method];
  const go = (e) => { e.currentTarget.hash = state.theme === "auto" ? "" : `theme=${state.theme}`; };
  return page ? make("a", { href: page, onclick: go }, longName(label || method)) : longName(label || method);
}

function plainTable(caption, heads, rows) {
  return make("table", { class: "plain" },
    make("caption", { text: caption }),
    make("thead", {}, make("tr", {}, heads.map((h) => make("th", { scope: "col", text: h })))),
    make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell, i) =>
      make(i === 0 ? "th" : "td", i === 0 ? { scope: "row" } : {}, cell instanceof Node ? cell : name(cell)))))));
}
