"use strict";

// The sections around the table: facts and banners, effects of axes, controls, methods.

function drawTop() {
  const facts = { datasets: `${DATA.complete} of ${DATA.promised}`, failed: DATA.failed, tables: DATA.groups.length,
    inputs: DATA.inputs_sha256.slice(0, 12), version: DATA.version };
  $("facts").replaceChildren(...Object.entries(facts).map(([k, v]) => make("div", {}, make("dt", { text: k }), make("dd", { text: v }))));
  const banners = [];
  if (!DATA.valid) {
    banners.push(make("div", { class: "banner bad", role: "alert" },
      make("strong", { text: "INVALID. The controls did not come out as they must; conclude nothing from this edition." }),
      make("ul", {}, DATA.invalid_because.map((why) => make("li", {}, name(why))))));
  }
  if (DATA.complete < DATA.promised) {
    banners.push(make("div", { class: "banner warn" }, make("strong", { text: "Incomplete. " }),
      `${DATA.promised - DATA.complete} of ${DATA.promised} promised datasets are missing, ${DATA.failed} of them failed. Open an arm to read why.`));
  }
  $("banners").replaceChildren(...banners);
}

function drawRelations() {
  const scopes = [...new Set(DATA.relations.map((r) => r.scope))];
  const toggle = make("label", { class: "check" }, make("input", { type: "checkbox", checked: state.exploratory,
    onchange: (e) => change({ exploratory: e.target.checked }) }), "exploratory measures too");
  const ends = DATA.relations.flatMap((r) => r.effect.slice(0, 3)).filter((v) => v !== null).map(Math.abs);
  const most = Math.max(0.5, ...ends);
  const blocks = scopes.map((scope) => {
    const rows = DATA.relations.filter((r) => r.scope === scope && (r.primary || state.exploratory));
    return make("div", { class: "scroll" }, make("table", { class: "plain effects" }, make("caption", {}, name(scope)),
      make("thead", {}, make("tr", {}, ["axis", "measure", "score", "effect", "", "p adj.", "p perm.", "detectable", "without one method", "datasets", "effective n", "methods"].map((h) => make("th", { scope: "col", text: h })))),
      make("tbody", {}, rows.map((r) => make("tr", { class: `${r.distance}${r.primary ? "" : " exploratory"}` },
        make("td", { text: r.axis }), make("th", { scope: "row" }, name(r.measure)), make("td", {}, name(r.score)),
        make("td", { class: "wide" }, r.effect[0] === null ? make("span", { class: "ci why" }, name(r.effect[4])) :
          track(r.effect, -most, most, { zero: true, band: r.detectable })),
        make("td", { class: "number", text: r.effect[0] === null ? MISSING : `${fixed(r.effect[0], 2)} ${bounds(r.effect, (v) => fixed(v, 2))}` }),
        make("td", { class: "number", text: pvalue(r.p_adjusted) }), make("td", { class: "number", text: pvalue(r.p_permutation) }),
        make("td", { class: "number", text: fixed(r.detectable, 2) }),
        make("td", { class: "number", text: r.without_one ? r.without_one.map((v) => fixed(v, 2)).join(" to ") : MISSING }),
        make("td", { class: "number", text: r.n }), make("td", { class: "number", text: fixed(r.n_effective, 0) }), make("td", { class: "number", text: r.clusters }))))));
  });
  const none = DATA.without_relations.length ? [make("p", { class: "note" }, "Left out, without any estimate: ", name(DATA.without_relations.join("; ")), ".")] : [];
  if (DATA.not_held.length) none.push(make("p", { class: "note" }, "Not held: ", name(DATA.not_held.join("; ")), "."));
  $("relations").replaceChildren(...(DATA.relations.some((r) => !r.primary) ? [toggle] : []), ...blocks, ...none);
  $("effects").hidden = !DATA.relations.length;
}

function filterCell(cell, column) {
  return make("td", { class: `number ${column.axis}`, title: cellTitle(cell) },
    make("span", { class: "point", text: written(cell[0], column) }), below(cell, column),
    column.kind !== "number" ? null : track(cell, column.low, column.high));
}

function drawFilters() {
  const block = (table) => {
    const span = (i) => { const next = table.lines.findIndex((l, j) => j > i && l.first); return (next < 0 ? table.lines.length : next) - i; };
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Filters: ${table.title}` },
      make("table", { class: "plain effects rules" },
        make("caption", {}, name(table.title), table.simulated ? [" ", make("span", { class: "badge simulated", text: "simulated" })] : null),
        make("thead", {}, make("tr", {}, ["method", "rule"].map((h) => make("th", { scope: "col", text: h })),
          table.columns.map((c) => make("th", { scope: "col", class: `number ${c.axis}` }, name(c.label))))),
        make("tbody", {}, table.lines.map((line, i) => make("tr", { class: line.first ? "first" : "" },
          line.first ? make("th", { scope: "rowgroup", rowspan: span(i) }, methodLink(line.method, line.arm)) : null,
          make("th", { scope: "row" }, name(line.rule)), table.columns.map((c) => filterCell(line.cells[c.key], c)))))));
  };
  const foot = (table) => gaps(table.lines.map((line) => ({ row: `${line.arm} (${line.rule})`,
    cells: table.columns.map((c) => ({ cell: line.cells[c.key], column: c })) })));
  $("rules").replaceChildren(...DATA.filters.flatMap((table) => [block(table), ...foot(table)]));
  $("filters").hidden = !DATA.filters.length;
}

function drawLists() {
  $("controls").replaceChildren(...DATA.controls.map((c) => {
    const word = c.holds ? "holds" : c.checked === false ? "not checked" : "fails";
    return make("li", {}, make("span", { class: `badge ${c.holds ? "good" : "bad"}`, text: word }), " ", make("strong", {}, name(c.name)),
      " ", name(c.detail), make("span", { class: "note" }, " ", name(c.group)));
  }));
  $("checks").hidden = !DATA.controls.length;
  const methods = [...new Set(DATA.groups.flatMap((g) => g.arms.map((a) => a.method)))].sort();
  $("methods").replaceChildren(...methods.map((key) => {
    const info = DATA.methods[key];
    if (!info) return make("p", { class: "gone" }, make("strong", {}, name(key)), " ", make("span", { class: "note", text: "its plugin was not found when this page was made" }));
    return make("details", {}, make("summary", {}, make("strong", {}, methodLink(key)), " ", name(info.summary)),
      make("p", {}, "Reference: ", reference(info), info.version ? `. Version ${info.version}.` : "."),
      info.params && Object.keys(info.params).length ? make("p", { class: "note" }, "Defaults: ", flat(info.params)) : null,
      manifest(info));
  }));
  $("manifests").hidden = !methods.length;
  $("figures").hidden = !document.querySelector("#figures figure");
  $("foot").replaceChildren(make("p", { text: `Edition ${DATA.edition}, made by QDCBench ${DATA.version} from records with digest ${DATA.inputs_sha256}. ` +
    "The same records give the same page, to the byte. Rows of a scripted teacher are labelled simulated and never share a table with rows of a language model." }));
}
