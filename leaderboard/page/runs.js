"use strict";

// What opens under an arm: its method, how it compares, every run with all that its record holds.

function manifest(info) {
  const rows = (info && info.fidelity) || [];
  if (!rows.length) return make("p", { class: "note", text: "No fidelity manifest." });
  return make("ul", { class: "manifest" }, rows.map((row) =>
    make("li", { class: `state ${["present", "changed", "absent"].includes(row.state) ? row.state : "other"}` },
      make("span", { class: "badge", text: row.state }), " ", name(row.name, { class: "what" }),
      row.note ? make("span", { class: "note" }, ": ", name(row.note)) : null)));
}

function pairs(value) {
  return make("dl", { class: "pairs" }, Object.entries(value)
    .filter(([, v]) => v !== null && v !== undefined && v !== "")
    .flatMap(([key, v]) => [make("dt", { text: key.replaceAll("_", " ") }),
      make("dd", {}, typeof v === "object" ? flat(v) : name(String(v)))]));
}

function flat(value) {
  const entries = Object.entries(value).filter(([, v]) => v !== null);
  if (!entries.length) return name("none");
  return make("span", {}, entries.flatMap(([key, v], i) =>
    [i ? ", " : "", name(key), " = ", name(typeof v === "object" ? JSON.stringify(v) : String(v))]));
}

function rejections(dataset) {
  const reasons = Object.entries(dataset.rejected_by).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  if (!reasons.length) return make("p", { class: "note", text: "No attempt was rejected." });
  const most = reasons[0][1];
  return make("ul", { class: "bars" }, reasons.map(([reason, count]) => {
    const bar = make("i", { "aria-hidden": "true" });
    bar.style.width = `${(100 * count / Math.max(1, most)).toFixed(1)}%`;
    return make("li", {}, name(reason), make("span", { class: "amount", text: big(count) }), bar);
  }));
}

function datasetPart(run) {
  const d = run.dataset;
  if (!d) return null;
  return make("div", { class: "part" }, make("h5", { text: "Dataset" }),
    pairs({ attempts: d.attempts, accepted: d.accepted, "held-out overlaps removed": d.contaminated,
      "training rows": d.selected, "stopped by": d.stopped_by, "prompt words, mean": fixed(d.mean_prompt_words, 1),
      "completion words, mean": fixed(d.mean_completion_words, 1), sha256: d.sha256.slice(0, 16) }),
    make("h5", { text: "Rejections by reason" }), rejections(d));
}

function usagePart(run) {
  const u = run.dataset && run.dataset.usage;
  if (!u) return null;
  const cost = run.cost;
  const bare = { calls: u.calls, "prompt tokens": u.prompt_tokens, "completion tokens": u.completion_tokens,
    "all tokens": run.tokens, "calls by intent": u.calls_by_intent, "tokens by intent": u.tokens_by_intent };
  const priced = u.money === null ? {} : { "US dollars": dollars(u.money), "US dollars a row, at n": dollars(cost.money),
    "US dollars a row, set-up amortised": dollars(cost.money_amortised) };
  return make("div", { class: "part" }, make("h5", { text: "Teacher usage" }),
    pairs({ ...bare, "set-up tokens": cost.setup_tokens === null ? MISSING : cost.setup_tokens,
      "tokens a row, at n": fixed(cost.tokens, 1), "tokens a row, set-up amortised": fixed(cost.tokens_amortised, 1),
      ...priced }),
    make("p", { class: "note", text: "A row is an accepted one; amortised leaves out the set-up (personas, taxonomies), " +
      "which ever more rows would share." }));
}

function meanScores(run) {
  const groups = new Map();
  for (const [task, metric, , value, , n, reason] of run.scores) {
    const key = `${task} ${metric}`;
    if (!groups.has(key)) groups.set(key, { task, metric, values: [], n, reason });
    groups.get(key).values.push(value);
  }
  return [...groups.values()].map((g) => {
    const known = g.values.filter((v) => v !== null);
    const mean = known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
    const each = known.length > 1 ? known.map((v) => fixed(v, 3)).join(", ") : "";
    return [g.task, g.metric, mean === null ? g.reason || MISSING : fixed(mean, 3), each, String(g.n)];
  });
}

function runBlock(run) {
  const good = run.status === "complete";
  const summary = make("summary", {},
    make("span", { class: `badge ${good ? "good" : "bad"}`, text: run.status }),
    make("span", { class: "what", text: ` repetition ${run.repetition} ` }),
    make("code", { text: run.run_id }),
    run.failure ? make("span", { class: "sentence" }, " ", name(run.failure.message)) : null);
  const block = make("details", { class: "run", id: `run-${run.run_id}` }, summary);
  // Drawn when first opened: an edition can hold thousands of runs.
  block.addEventListener("toggle", () => {
    if (!block.open || block.dataset.drawn) return;
    block.dataset.drawn = "yes";
    block.append(make("div", { class: "parts" }, ...runParts(run)));
  });
  return block;
}

function runParts(run) {
  const parts = [];
  if (run.failure) {
    parts.push(make("div", { class: "part wide" }, make("h5", { text: `Failed in ${run.failure.stage} (${run.failure.kind})` }),
      make("p", {}, name(run.failure.message)),
      run.failure.traceback_tail ? make("pre", {}, name(run.failure.traceback_tail)) : null));
  }
  parts.push(make("div", { class: "part" }, make("h5", { text: "Specification" }), pairs(run.spec)));
  parts.push(datasetPart(run), usagePart(run));
  if (run.measures.length) {
    parts.push(make("div", { class: "part" }, plainTable("Measures", ["measure", "axis", "value", "interval", "n"],
      run.measures.map(([m, axis, v, lo, hi, n, why]) => [m, axis, v === null ? why || MISSING : fixed(v, 3),
        lo === null || hi === null ? "" : `[${fixed(lo, 3)}, ${fixed(hi, 3)}]`, String(n)]))));
  }
  if (run.scores.length) {
    parts.push(make("div", { class: "part" },
      plainTable("Scores", ["evaluation set", "metric", "mean", "probes", "n"], meanScores(run))));
  }
  if (run.probes.length) {
    parts.push(make("div", { class: "part" }, plainTable("Probes", ["probe", "recipe", "steps", "tokens", "loss"],
      run.probes.map(([r, recipe, steps, tokens, loss]) => [String(r), recipe, String(steps), big(tokens), fixed(loss, 3)]))));
  }
  if (run.provenance) {
    const { seconds: times, ...rest } = run.provenance;
    const took = Object.fromEntries(Object.entries(times).map(([k, v]) => [k, seconds(v)]));
    parts.push(make("div", { class: "part" }, make("h5", { text: "Provenance" }),
      pairs({ ...rest, dirty: rest.dirty ? "yes" : "no", "time taken": took })));
  }
  return parts.filter(Boolean);
}

function armDetail(arm) {
  const info = DATA.methods[arm.method];
  const head = make("div", { class: "part wide" },
    make("h4", {}, longName(arm.arm)),
    make("p", {}, info ? name(info.summary) : "The method's plugin was not found when this page was made.", " ",
      info ? reference(info) : null, info ? [" ", methodLink(arm.method, "The method's page")] : null));
  const against = arm.comparisons.length ? make("div", { class: "part" }, plainTable(
    `Against ${arm.comparisons[0].baseline}, paired by repetition`, ["score", "difference", "interval", "p adj.", "pairs"],
    arm.comparisons.map((c) => [c.score, fixed(c.difference[0], 3), bounds(c.difference, (v) => fixed(v, 3)),
      pvalue(c.p_adjusted), String(c.n)]))) : null;
  const paper = make("div", { class: "part" }, make("h5", { text: "Fidelity to the paper" }), manifest(info));
  const runs = arm.runs.map((id) => DATA.runs[id]).filter(Boolean)
    .sort((a, b) => a.repetition - b.repetition).map(runBlock);
  const missing = arm.promised - arm.runs.length;
  return make("div", { class: "dossier" }, make("div", { class: "parts" }, head, against, paper),
    make("h5", { text: `Runs: ${arm.complete} of ${arm.promised} complete` }), runs,
    missing > 0 ? make("p", { class: "note", text: `${missing} promised run${missing > 1 ? "s have" : " has"} no record.` }) : null);
}
