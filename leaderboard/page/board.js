"use strict";

// The page itself: state in the address (#group=…&sort=…&dir=…&q=…&show=…&arm=…&theme=…), everything drawn from it.

const $ = (id) => document.getElementById(id);
const FACETS = ["task", "teacher", "budget", "selection"];
const THEMES = ["auto", "light", "dark"];
const state = { group: "", sort: "", dir: "", q: "", show: [], arm: [], theme: "auto", exploratory: false };

function readState() {
  const given = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  const keys = DATA.groups.map((g) => g.key);
  state.group = keys.includes(given.get("group")) ? given.get("group") : keys[0] || "";
  state.sort = given.get("sort") || "";
  state.dir = ["asc", "desc"].includes(given.get("dir")) ? given.get("dir") : "";
  state.q = given.get("q") || "";
  state.show = (given.get("show") || "").split(",").filter((s) => ["sets", "measures", "costs"].includes(s));
  state.arm = given.getAll("arm");
  state.theme = THEMES.includes(given.get("theme")) ? given.get("theme") : "auto";
  state.exploratory = given.get("exploratory") === "1";
}

function writeState() {
  const out = new URLSearchParams();
  if (DATA.groups.length && state.group !== DATA.groups[0].key) out.set("group", state.group);
  for (const key of ["sort", "dir", "q"]) if (state[key]) out.set(key, state[key]);
  if (state.show.length) out.set("show", state.show.join(","));
  for (const arm of state.arm) out.append("arm", arm);
  if (state.theme !== "auto") out.set("theme", state.theme);
  if (state.exploratory) out.set("exploratory", "1");
  history.replaceState(null, "", `#${out}`);
}

function change(changes) {
  Object.assign(state, changes);
  writeState();
  draw();
}

const group = () => DATA.groups.find((g) => g.key === state.group);
const shownColumns = (g) => g.columns.filter((c) => c.set === "main" || state.show.includes(c.set));

// ---- order -------------------------------------------------------------------------------------------------

function sortColumn(g) {
  const known = shownColumns(g).map((c) => c.key).concat(["arm", "datasets"]);
  if (known.includes(state.sort)) return state.sort;
  return known.includes("ood") && g.arms.some((a) => a.cells.ood[0] !== null) ? "ood" : "id";
}

function direction(key) {
  const cheapFirst = key === "tokens" || key === "money" || key.startsWith("row_");
  return state.dir || (key === "arm" || cheapFirst || key.includes("answer_nll") ? "asc" : "desc");
}

function sortValue(arm, key) {
  if (key === "arm") return arm.arm.toLowerCase();
  if (key === "datasets") return arm.promised ? arm.complete / arm.promised : null;
  return arm.cells[key] ? arm.cells[key][0] : null;
}

function ordered(arms, key, dir) {
  const sign = dir === "asc" ? 1 : -1;
  return [...arms].sort((a, b) => {
    const [x, y] = [sortValue(a, key), sortValue(b, key)];
    if (x === null || y === null) return (x === null) - (y === null) || (a.arm < b.arm ? -1 : 1);
    return x === y ? (a.arm < b.arm ? -1 : 1) : sign * (x < y ? -1 : 1);
  });
}

function sortBy(key) {
  const g = group();
  const now = sortColumn(g);
  const dir = now === key ? (direction(key) === "asc" ? "desc" : "asc") : "";
  change({ sort: key, dir });
  const button = document.querySelector(`#table th[data-key="${CSS.escape(key)}"] button`);
  if (button) button.focus();
}

// ---- table -------------------------------------------------------------------------------------------------

function headCell(key, label, options) {
  const g = group();
  const active = sortColumn(g) === key;
  const order = active ? (direction(key) === "asc" ? "ascending" : "descending") : "none";
  return make("th", { scope: "col", "aria-sort": order, "data-key": key, class: active ? "active" : "", ...options },
    make("button", { type: "button", onclick: () => sortBy(key) }, name(label),
      make("span", { class: "arrow", "aria-hidden": "true", text: active ? (order === "ascending" ? "▲" : "▼") : "" })));
}

function tableHead(g, columns) {
  const families = [];
  for (const c of columns) {
    const last = families[families.length - 1];
    if (last && last.family === c.family) last.span += 1;
    else families.push({ family: c.family, span: 1, axis: c.axis });
  }
  return make("thead", {},
    make("tr", { class: "families" }, make("th", { class: "place" }), make("td", { class: "arm" }),
      families.map((f) => make("th", { scope: "colgroup", colspan: f.span, class: f.axis || "", text: f.family })),
      make("th", { scope: "colgroup", text: "Coverage" })),
    make("tr", {}, make("th", { scope: "col", class: "place", title: "place on the sorted score", text: "#" }),
      headCell("arm", "Arm", { class: `arm${sortColumn(g) === "arm" ? " active" : ""}` }),
      columns.map((c) => headCell(c.key, c.label, { title: c.note || null })), headCell("datasets", "datasets")));
}

const cellOf = (arm, c) => arm.cells[c.key] || [null, null, null, 0, "not measured"];

function scoreCell(g, arm, c) {
  const cell = cellOf(arm, c);
  const ranks = g.ranks[c.key];
  const tie = ranks && ranks.places[arm.arm] ? ranks.places[arm.arm][1] : "";
  return make("td", { class: `value ${c.axis || ""}${sortColumn(g) === c.key ? " active" : ""}`, title: cellTitle(cell) },
    make("span", { class: "point" }, document.createTextNode(written(cell[0], c)),
      tie ? make("sup", { class: "tie", text: tie, title: "tie group" }) : null),
    below(cell, c), c.kind !== "number" ? null : track(cell, c.low, c.high));
}

function armRows(g, arm, columns, wide) {
  const open = state.arm.includes(arm.arm);
  const id = `detail-${g.arms.indexOf(arm)}`;
  const ranks = g.ranks[sortColumn(g)];
  const place = ranks && ranks.places[arm.arm] ? ranks.places[arm.arm][0] : "";
  const toggle = () => change({ arm: open ? state.arm.filter((a) => a !== arm.arm) : [...state.arm, arm.arm] });
  const button = make("button", { type: "button", "aria-expanded": String(open), "aria-controls": id, "data-arm": arm.arm,
    onclick: () => { toggle(); focusArm(arm.arm); } }, make("span", { class: "chevron", "aria-hidden": "true" }), longName(arm.arm));
  const partial = arm.complete < arm.promised;
  const row = make("tr", { class: `row ${arm.role}${open ? " open" : ""}` },
    make("td", { class: "place", text: place }),
    make("th", { scope: "row", class: "arm" }, button,
      arm.role === "imported" ? make("span", { class: "badge", text: "imported" }) : null),
    columns.map((c) => scoreCell(g, arm, c)),
    make("td", { class: "value" },
      make("span", { class: `point${partial ? " partial" : ""}`, text: `${arm.complete}/${arm.promised}` }),
      partial && arm.failures.length ? make("span", { class: "ci", text: `${arm.failures.length} failed` }) : null));
  if (!open) return [row];
  return [row, make("tr", { class: "detail", id }, make("td", { colspan: wide }, make("div", { class: "holder" }, armDetail(arm))))];
}

function focusArm(arm) {
  const button = [...document.querySelectorAll("#table button[data-arm]")].find((b) => b.dataset.arm === arm);
  if (button) button.focus();
}

function drawTable() {
  const g = group();
  $("table").replaceChildren();
  if (!g) {
    $("status").textContent = "There is no run to show yet.";
    return;
  }
  const columns = shownColumns(g);
  const wide = columns.length + 3;
  const key = sortColumn(g);
  const needle = state.q.trim().toLowerCase();
  const matching = g.arms.filter((a) => !needle || `${a.arm} ${a.method} ${a.role}`.toLowerCase().includes(needle));
  const ranked = ordered(matching.filter((a) => a.role !== "control"), key, direction(key));
  const controls = ordered(matching.filter((a) => a.role === "control"), key, direction(key));
  $("table").append(make("caption", { class: "hidden", text: `${g.title}${g.simulated ? ", simulated" : ""}` }), tableHead(g, columns),
    make("tbody", {}, ranked.map((a) => armRows(g, a, columns, wide))));
  if (controls.length) {
    $("table").append(make("tbody", { class: "controls" },
      make("tr", { class: "divider" }, make("th", { colspan: wide, scope: "rowgroup" }, make("span", { text: "Controls, not ranked" }))),
      controls.map((a) => armRows(g, a, columns, wide))));
  }
  const share = g.promised ? Math.floor((100 * g.complete) / g.promised) : 0;
  const hidden = g.arms.length - matching.length;
  const label = [...columns, { key: "arm", label: "arm", family: "" }, { key: "datasets", label: "datasets", family: "" }].find((c) => c.key === key);
  $("status").textContent = `${matching.length} arm${matching.length === 1 ? "" : "s"}${hidden ? `, ${hidden} hidden by the filter` : ""}; ` +
    `coverage ${g.complete} of ${g.promised} datasets (${share} %); sorted by ${[label.family, label.label].filter(Boolean).join(", ").toLowerCase()}`;
  $("gaps").replaceChildren(...gaps(matching.map((a) => ({ row: a.arm, cells: columns.map((c) => ({ cell: cellOf(a, c), column: c })) }))));
  const who = g.simulated ? "Simulated: a scripted teacher wrote this data, no language model was involved." : "Data written by a language model.";
  $("board-lead").replaceChildren(make("strong", {}, name(g.title)), " ", make("span", { class: g.simulated ? "badge simulated" : "badge", text: g.simulated ? "simulated" : "language model" }), " ", who);
}

// ---- tools -------------------------------------------------------------------------------------------------

function pickFacet(facet, value) {
  const now = group().facets;
  const fits = (g) => Object.keys(now).filter((k) => g.facets[k] === now[k]).length;
  const best = DATA.groups.filter((g) => g.facets[facet] === value).sort((a, b) => fits(b) - fits(a))[0];
  change({ group: best.key });
}

function drawTools() {
  const g = group();
  if (!g) return;
  const selects = FACETS.filter((facet) => g.facets[facet]).map((facet) => {
    const values = [...new Set(DATA.groups.map((h) => h.facets[facet]).filter(Boolean))];
    const simulated = (v) => DATA.groups.some((h) => h.facets[facet] === v && h.simulated);
    const text = (v) => (facet === "teacher" && simulated(v) ? `${v} (simulated)` : v);
    if (values.length < 2) return make("p", { class: "facet" }, make("span", { text: facet }), name(text(values[0])));
    const select = make("select", { name: facet, onchange: (e) => pickFacet(facet, e.target.value) },
      values.map((v) => make("option", { value: v, selected: v === g.facets[facet], text: text(v) })));
    return make("label", {}, make("span", { text: facet }), select);
  });
  const filter = make("label", { class: "filter" }, make("span", { text: "filter arms" }),
    make("input", { type: "search", id: "q", value: state.q, placeholder: "name, method or role",
      oninput: (e) => { state.q = e.target.value; writeState(); drawTable(); } }));
  const shows = [["sets", "every evaluation set"], ["measures", "every measure"], ["costs", "every cost"]]
    .filter(([key]) => g.columns.some((c) => c.set === key)).map(([key, text]) =>
    make("label", { class: "check" }, make("input", { type: "checkbox", checked: state.show.includes(key),
      onchange: (e) => change({ show: e.target.checked ? [...state.show, key] : state.show.filter((s) => s !== key) }) }), text));
  $("tools").replaceChildren(...selects, filter, make("span", { class: "checks-row" }, shows));
  $("tools").onsubmit = (e) => e.preventDefault();
}

// ---- all of it ----------------------------------------------------------------------------------------------

function drawTheme() {
  if (state.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = state.theme;
  $("theme").textContent = `Theme: ${state.theme}`;
}

function draw() {
  drawTheme();
  drawTools();
  drawTable();
  drawRelations();
}

readState();
drawTop();
drawFilters();
drawLists();
draw();
$("theme").addEventListener("click", () => change({ theme: THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length] }));
addEventListener("hashchange", () => { readState(); draw(); });
document.documentElement.dataset.ready = "yes";
