import json
import os
import re
import runpy
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qdcbench.errors import StoreError
from qdcbench.records import ControlCheck, FilteredArms, Interval
from qdcbench.report.figures import write_figures
from qdcbench.report.method_data import page_names
from qdcbench.report.page_data import page_data
from qdcbench.report.site import build_site, json_for_script

edition_of = runpy.run_path(str(Path(__file__).with_name("report_edition.py")))
build_edition, failed = edition_of["build_edition"], edition_of["failed"]
fill = runpy.run_path(str(Path(__file__).with_name("report_inference.py")))["fill"]

RTL = "\u202egnihtemos\u202c \u05e9\u05dc\u05d5\u05dd"
HOSTILE = (
    "</script><script>document.body.id='pwned'</script><img src=x onerror=\"document.body.id='pwned'\">'\"`{{ data }}"
    + RTL
)


def told(name, **changes):
    """What a plugin says, in the form of method_info."""
    return {
        "name": name, "version": 3, "role": "method", "summary": "Ask for a new task given a few from the pool.",
        "idea": "Grow a pool.\n\nA second paragraph.", "reference": "Wang et al. 2023, arXiv:2212.10560",
        "link": "https://arxiv.org/abs/2212.10560", "intents": ["propose", "answer"],
        "inputs": [["seed_examples", "seed examples"], ["teacher", "the teacher, who writes"]],
        "cost": {"calls": {"propose": 0.34, "answer": 1.0}, "setup_calls": 2.0, "prompt_tokens": 300.0,
                 "completion_tokens": 150.0},
        "selects_with": [], "selects_on": [], "params": {"threshold": 0.7},
        "dials": [{"name": "threshold", "default": 0.7, "does": "similarity above which a prompt is old",
                   "moves": [["diversity", "down"], ["cost", "down"]]}],
        "fidelity": [
            {"name": "overlap filter", "state": "present", "note": ""},
            {"name": "classification", "state": "absent", "note": "the task has none"},
        ],
        "prompts": {"revisions": 1, "sections": [
            {"name": "propose", "shared": False, "sha256": "ab" * 32, "texts": {"user": "Write {count} tasks."}},
            {"name": "answer", "shared": True, "sha256": "cd" * 32, "texts": {"system": "Exact!", "user": "{prompt}"}},
        ]},
        **changes,
    }  # fmt: skip


INFO = {
    "self_instruct": told("self_instruct"),
    "persona": told(
        "persona", summary=HOSTILE, idea=HOSTILE, reference="javascript:alert(1)", link="",
        fidelity=[{"name": HOSTILE, "state": HOSTILE, "note": HOSTILE}], intents=[HOSTILE], inputs=[[HOSTILE, HOSTILE]],
        cost=None, params={HOSTILE: HOSTILE},
        dials=[{"name": HOSTILE, "default": HOSTILE, "does": HOSTILE, "moves": []}],
        prompts={"revisions": None, "sections": [
            {"name": HOSTILE, "shared": False, "sha256": "ef" * 32, "texts": {"user": HOSTILE}}]},
    ),
}  # fmt: skip
SCRIPTED = "#group=list_edits%7Cscripted%3Astrong%7Crows-1k%7Cnative"
VOID = {"meta", "img", "input", "br", "link", "wbr", "hr"}


@dataclass
class Node:
    tag: str
    attrs: dict
    children: list = field(default_factory=list)

    def all(self, tag=None, **attrs):
        for child in self.children:
            if isinstance(child, Node):
                if (tag is None or child.tag == tag) and all(
                    value in (child.attrs.get(key.rstrip("_").replace("_", "-")) or "").split()
                    for key, value in attrs.items()
                ):
                    yield child
                yield from child.all(tag, **attrs)

    def one(self, tag=None, **attrs):
        (found,) = self.all(tag, **attrs)
        return found

    @property
    def text(self):
        return "".join(c if isinstance(c, str) else c.text for c in self.children)


class Reader(HTMLParser):
    """Builds a tree and refuses tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.root = Node("root", {})
        self.stack = [self.root]
        self.feed(text)
        self.close()
        assert self.stack == [self.root], f"never closed: {[n.tag for n in self.stack]}"

    def handle_starttag(self, tag, attrs):
        node = Node(tag, dict(attrs))
        self.stack[-1].children.append(node)
        if tag not in VOID:
            self.stack.append(node)

    def handle_endtag(self, tag):
        assert self.stack[-1].tag == tag, f"</{tag}> closes <{self.stack[-1].tag}>"
        self.stack.pop()

    def handle_data(self, data):
        self.stack[-1].children.append(data)


def parse(text):
    return Reader(text).root


@pytest.fixture(scope="module")
def edition():
    return build_edition()


@pytest.fixture(scope="module")
def page(edition, tmp_path_factory):
    analysis, records = edition
    folder = tmp_path_factory.mktemp("site")
    write_figures(analysis, records, folder / "figures", ["axis_effects", "scores_by_set"])
    return build_site(analysis, records, INFO, folder / "figures", folder / "page")


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    arms = {HOSTILE: ("method", 0.8, 0.5, 2.0, 1000), "persona": ("method", 0.7, 0.6, 2.0, 2000),
            "plain": ("control", 0.9, 0.4, 1.5, 0)}  # fmt: skip
    analysis, records = build_edition(teachers=["scripted:strong"], arms=arms, edition=HOSTILE)
    records = [failed(r, HOSTILE) if r.status == "failed" else r for r in records]
    analysis = replace(
        analysis, valid=False, invalid_because=(HOSTILE,), labels={"depth": HOSTILE},
        arms=tuple(replace(a, failures=(HOSTILE,)) for a in analysis.arms),
        verdicts=tuple(replace(v, statement=HOSTILE, evidence=HOSTILE, rule=HOSTILE) for v in analysis.verdicts),
        controls=(ControlCheck(name=HOSTILE, group=HOSTILE, holds=False, detail=HOSTILE),),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("hostile")
    return build_site(analysis, records, INFO, folder / "figures", folder)


def browser():
    """The path of a Chromium. Where there is none the test is skipped, in CI only if QDCBENCH_NO_BROWSER=1."""
    names = (os.environ.get("QDCBENCH_BROWSER", ""), "chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        sentence = "no chromium found, so the page was not opened; install it or set QDCBENCH_BROWSER"
        if os.environ.get("CI") and os.environ.get("QDCBENCH_NO_BROWSER") != "1":
            pytest.fail(sentence + " (QDCBENCH_NO_BROWSER=1 skips this on purpose)")
        pytest.skip(sentence)
    return found


def chromium(address, scratch, *options):
    command = [
        browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={scratch / 'profile'}", *options, address,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.fixture
def dom(tmp_path):
    def opened(path, state=""):
        text = chromium(path.as_uri() + state, tmp_path, "--dump-dom")
        tree = parse(text)
        assert tree.one("html").attrs.get("data-ready") == "yes", "the page's script did not reach its end"
        return tree

    return opened


def with_script(path, target, script):
    """A copy of a page without its policy, with a script of the test at its end."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    target.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    return target


def arm_names(tree, role=None):
    rows = tree.one("table", id="table").all("tr", class_="row")
    return [
        row.one("th", class_="arm").one("bdi").text
        for row in rows
        if role is None or role in row.attrs["class"].split()
    ]


# ---- without a browser -----------------------------------------------------------------------------------------


def test_same_bytes_each_time(edition, page, tmp_path):
    analysis, records = edition
    again = build_site(analysis, records[::-1], INFO, page.parent.parent / "figures", tmp_path)
    assert again.read_bytes() == page.read_bytes()


def test_page_parses_and_needs_nothing_from_outside(page):
    tree = parse(page.read_text(encoding="utf-8"))
    for node in tree.all():
        for name in ("src", "href"):
            assert node.attrs.get(name, "#").startswith(("data:", "#")), node.attrs[name][:80]
    assert [n.attrs["id"] for n in tree.all("figure")] == ["figure-axis_effects", "figure-scores_by_set"]
    assert all(len(n.attrs["alt"]) > 40 for n in tree.all("img"))
    assert not re.search(
        r"@import|url\(|https?://(?!arxiv\.org/abs/)", tree.one("style").text + tree.one("script", id="data").text
    )


def test_data_in_the_page_is_the_pages_data(edition, page):
    analysis, records = edition
    tree = parse(page.read_text(encoding="utf-8"))
    assert json.loads(tree.one("script", id="data").text) == page_data(analysis, records, INFO)


def test_json_cannot_leave_its_element():
    value = {"a": ["</script>", "<!--", "]]>", "\u2028", "&lt;", '"', "\\"]}
    text = json_for_script(value)
    assert json.loads(text) == value
    assert text.isascii() and not set("<>&") & set(text)


def test_a_group_never_mixes_simulated_and_real(edition):
    analysis, records = edition
    data = page_data(analysis, records, INFO)
    for group in data["groups"]:
        teachers = {data["runs"][run]["spec"]["teacher"] for arm in group["arms"] for run in arm["runs"]}
        assert teachers == {group["facets"]["teacher"]}
        assert group["simulated"] == group["facets"]["teacher"].startswith("scripted")


def test_page_shows_no_number_that_is_not_in_the_analysis(edition):
    analysis, records = edition
    data = page_data(analysis, records, INFO)
    arms = {(a.group, a.arm): a for a in analysis.arms}
    for group in data["groups"]:
        for shown in group["arms"]:
            arm = arms[group["key"], shown["arm"]]
            for key, interval in (("ood", arm.scores["ood:exact_match"]), ("quality", arm.measures["verified_share"])):
                assert shown["cells"][key][:3] == pytest.approx([interval.point, interval.low, interval.high])


def test_files_that_cannot_be_written_are_one_sentence(edition, tmp_path):
    analysis, records = edition
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        build_site(analysis, records, INFO, tmp_path, tmp_path / "taken")


def test_each_method_with_a_plugin_has_a_page_that_says_what_it_is(page):
    assert sorted(p.name for p in (page.parent / "methods").iterdir()) == ["persona.html", "self_instruct.html"]
    text = (page.parent / "methods" / "self_instruct.html").read_text(encoding="utf-8")
    tree = parse(text)
    heads = [node.text for node in tree.all("h2")]
    assert heads == ["Idea", "Profile", "Cost of a row", "Dials", "Fidelity", "Prompts"]
    words = tree.one("main").text
    for said in ("Grow a pool.", "A second paragraph.", "the teacher, who writes", "propose 0.34", "threshold", "0.7",
                 "similarity above which a prompt is old", "diversity ↓", "the task has none", "Write {count} tasks.",
                 "sha256 abababababababab", "of the shared file"):  # fmt: skip
        assert said in words, said
    hrefs = {a.attrs["href"] for a in tree.all("a")}
    assert hrefs == {"../index.html", "https://arxiv.org/abs/2212.10560"}
    assert not re.search(r"@import|url\(|src=|style=", text), (
        "the page must load nothing and its policy bars inline style"
    )


def test_a_methods_page_has_its_numbers_from_the_analysis(page, edition):
    analysis, records = edition
    tree = parse((page.parent / "methods" / "self_instruct.html").read_text(encoding="utf-8"))
    arms = [a for a in analysis.arms if a.method == "self_instruct"]
    shown = list(tree.all("table", class_="profile"))
    arms.sort(key=lambda arm: arm.group)
    assert len(shown) == len(arms) == 2
    assert ["simulated" in table.one("caption").text for table in shown] == [arm.simulated for arm in arms]
    for arm, table in zip(arms, shown, strict=True):
        points = [float(node.text) for node in table.all("span", class_="point")]
        names = ("verified_share", "pair_entropy", "depth")
        values = [arm.measures[n].point for n in names] + [arm.scores[f"{d}:exact_match"].point for d in ("id", "ood")]
        assert points == pytest.approx(values, abs=0.006)
    runs = [r for r in records if r.run_id in arms[0].run_ids and r.status == "complete"]
    calls = [r.dataset.usage.calls_by_intent["propose"] / r.dataset.accepted for r in runs]
    cost = next(table for table in tree.all("table") if "calls measured" in table.text)
    assert f"{sum(calls) / len(calls):.2f}" in cost.text


def test_marks_of_a_profile_stay_inside(page):
    tree = parse((page.parent / "methods" / "self_instruct.html").read_text(encoding="utf-8"))
    bars = list(tree.all("rect", class_="reach"))
    assert bars
    for bar in bars:
        left, width = float(bar.attrs["x"]), float(bar.attrs["width"])
        assert -1e-3 <= left and 0 <= width and left + width <= 100.001


def test_page_names_are_file_names_whatever_a_method_is_called():
    names = page_names(["good_one", "pack/age", "..", "UPPER", HOSTILE, ""])
    assert names["good_one"] == "methods/good_one.html"
    assert len(set(names.values())) == 6
    assert all(re.fullmatch(r"methods/[a-z0-9_-]+\.html", path) for path in names.values())


def test_hostile_words_on_a_methods_page_stay_text(hostile_page):
    text = (hostile_page.parent / "methods" / "persona.html").read_text(encoding="utf-8")
    tree = parse(text)
    assert text.count("</script>") == 1 and not list(tree.all("img")) and tree.one("body").attrs == {"class": "method"}
    assert tree.one("main").text.count("</script><script>") >= 8
    assert all(not a.attrs["href"].startswith("javascript") for a in tree.all("a"))


@pytest.fixture(scope="module")
def studied_page(edition, tmp_path_factory):
    """A page with studies, factorial, shares, spread and budgets; a method's name is as long as they come."""
    analysis, records = edition
    folder = tmp_path_factory.mktemp("studied")
    full = fill(analysis)
    studies = tuple(replace(s, rule=HOSTILE, claim=f"{s.claim} {HOSTILE}") for s in full.studies)
    separations = tuple(replace(s, better="a_very_long_name" * 8) for s in full.separations)
    return build_site(
        replace(full, studies=studies, separations=separations), records, INFO, folder / "figures", folder / "page"
    )


def test_claims_dials_and_spread_stand_on_the_page_without_javascript(edition, studied_page):
    full = fill(edition[0])
    tree = parse(studied_page.read_text(encoding="utf-8"))
    cards = tree.one(id="cards")
    assert all(study.sentence in cards.text for study in full.studies)
    asked = [(p.text.split()[0], "before the runs" in p.text) for p in cards.all("p", class_="asked")]
    assert ("interventional", True) in asked and ("observational", False) in asked
    several = [claim for claim in cards.all("article", class_="several")]
    assert [claim.one("span", class_="claim").text for claim in several] == ["F1", "F2", "F3"]
    assert all(len(list(claim.all(class_="card"))) == 2 for claim in several)
    for name in ("interventions", "shares", "spread", "tracks"):
        section = tree.one("section", id=name)
        assert section.one("p", class_="lead").text and list(section.all("td"))
    dials = {row.one("th", scope="row").text for row in tree.one(id="interventions").all("tr") if list(row.all("td"))}
    assert {"quality", "quality × diversity"} <= dials
    assert not list(tree.all("img")), "hostile words made an element"


def test_a_page_without_studies_has_no_empty_section(page):
    tree = parse(page.read_text(encoding="utf-8"))
    ids = {node.attrs.get("id") for node in tree.all("section")}
    assert not ids & {"interventions", "shares", "spread", "tracks"}


def test_a_measure_that_a_method_selects_on_is_flagged_on_its_page(edition, tmp_path):
    analysis, records = edition
    info = {"persona": told("persona", selects_with=[["verify", "the task's verifier"]],
                            selects_on=["verified_share", "gold_share"])}  # fmt: skip
    build_site(analysis, records, {**INFO, **info}, tmp_path / "figures", tmp_path)
    tree = parse((tmp_path / "methods" / "persona.html").read_text(encoding="utf-8"))
    flagged = [head.text for head in tree.all("th", scope="col") if "selects on it" in head.text]
    assert flagged and all(head.startswith("verified share") for head in flagged)
    assert "the task's verifier" in tree.one("main").text and "gold_share" in tree.one("main").text
    other = parse((tmp_path / "methods" / "self_instruct.html").read_text(encoding="utf-8"))
    assert "selects on it" not in other.text and "to read with care" not in other.text


# ---- in a browser ----------------------------------------------------------------------------------------------


def test_sorting_by_the_address(edition, page, dom):
    analysis, _ = edition
    tree = dom(page, f"{SCRIPTED}&sort=id&dir=asc")
    arms = [a for a in analysis.arms if a.group == analysis.groups[0]]
    point = {a.arm: a.scores["id:exact_match"].point for a in arms}
    methods = [a.arm for a in arms if a.role == "method"]
    controls = [a.arm for a in arms if a.role == "control"]
    assert arm_names(tree) == sorted(methods, key=point.get) + sorted(controls, key=point.get)
    sorted_heads = [h for h in tree.all("th") if h.attrs.get("aria-sort") in {"ascending", "descending"}]
    assert [(h.attrs["data-key"], h.attrs["aria-sort"]) for h in sorted_heads] == [("id", "ascending")]
    assert len(list(tree.all("tbody", class_="controls"))) == 1


def test_group_filter_and_columns_by_the_address(page, dom):
    tree = dom(page, "#group=list_edits%7Copenai%3Alittle-1b%7Crows-1k%7Cnative&q=IMPROVE&show=sets&junk=1")
    assert set(arm_names(tree)) == {"self_improvement[rounds=3]", "balanced_improvement"}
    assert (
        "language model" in tree.one("p", id="board-lead").text
        and "simulated" not in tree.one("p", id="board-lead").text
    )
    keys = {h.attrs.get("data-key") for h in tree.all("th")}
    assert {"score:ood_pairs:exact_match", "score:id:answer_nll"} <= keys
    assert "52 of 52" in tree.one("p", id="status").text


def test_an_arm_opens_to_its_runs(edition, page, dom):
    _, records = edition
    tree = dom(page, f"{SCRIPTED}&arm=self_instruct")
    detail = tree.one("tr", class_="detail")
    own = [r for r in records if r.spec.arm == "self_instruct" and r.spec.teacher.kind == "scripted"]
    assert {node.attrs["id"] for node in detail.all("details", class_="run")} == {f"run-{r.run_id}" for r in own}
    assert "the endpoint answered 500 four times" in detail.text
    assert "overlap filter" in detail.text and "the task has none" in detail.text
    links = [a.attrs["href"] for a in detail.all("a")]
    assert links == ["https://arxiv.org/abs/2212.10560", "methods/self_instruct.html"]
    assert tree.one("button", data_arm="self_instruct").attrs["aria-expanded"] == "true"
    ticks = {node.text for node in tree.all("p", class_="answer")}
    assert {"✓supported", "✕contradicted", "?undetermined"} == ticks
    assert "simulated" in tree.one("h3", class_="scope").text
    assert not list(tree.all(class_="bad", role="alert"))


def test_hostile_strings_stay_text(hostile_page, dom):
    arm = HOSTILE
    raw = hostile_page.read_text(encoding="utf-8")
    assert raw.count("</script>") == 2, "a string ended a script element"
    state = "#arm=" + "".join(f"%{byte:02X}" for byte in arm.encode())
    tree = dom(hostile_page, state)
    assert tree.one("body").attrs.get("id") is None
    assert not list(tree.all("img")) and len(list(tree.all("script"))) == 2
    assert arm in arm_names(tree)
    places = [tree.one("tr", class_="detail"), tree.one(id="cards"), tree.one(id="controls"), tree.one(role="alert"),
              tree.one(id="methods"), tree.one("h1"), tree.one("table", id="table").one("thead")]  # fmt: skip
    assert all(arm in place.text for place in places)
    assert all(not a.attrs["href"].startswith("javascript") for a in tree.all("a"))
    held = [b.text for b in tree.one("table", id="table").all("bdi")]
    assert arm in held, "right-to-left text must be isolated"


CLICKS = """
const report = {};
const arms = () => [...document.querySelectorAll("#table tr.row:not(.control) th.arm bdi")].map((b) => b.textContent);
const head = (key) => document.querySelector(`#table th[data-key="${key}"] button`);
head("quality").click();
report.once = arms(); report.focus = document.activeElement === head("quality");
head("quality").click();
report.twice = arms(); report.hash = location.hash;
document.querySelector('button[data-arm="persona"]').click();
const run = document.querySelector("details.run");
run.open = true;
run.addEventListener("toggle", () => {
  report.run = run.textContent;
  const select = document.querySelector("select[name=teacher]");
  select.value = "openai:little-1b";
  select.dispatchEvent(new Event("change"));
  report.lead = document.getElementById("board-lead").textContent;
  const input = document.getElementById("q");
  input.value = "taxonomy"; input.dispatchEvent(new Event("input"));
  report.filtered = arms();
  document.getElementById("theme").click(); document.getElementById("theme").click();
  report.theme = document.documentElement.dataset.theme;
  const out = document.createElement("output"); out.id = "report"; out.textContent = JSON.stringify(report);
  document.body.append(out);
});
"""


def test_clicking_sorts_opens_filters_and_switches(edition, page, tmp_path):
    analysis, _ = edition
    copy = with_script(page, tmp_path / "clicks.html", CLICKS)
    tree = parse(chromium(copy.as_uri() + SCRIPTED, tmp_path, "--dump-dom", "--virtual-time-budget=4000"))
    report = json.loads(tree.one("output", id="report").text)
    arms = [a for a in analysis.arms if a.group == analysis.groups[0] and a.role == "method"]
    best_first = [a.arm for a in sorted(arms, key=lambda a: -a.measures["verified_share"].point)]
    assert report["once"] == best_first and report["twice"] == best_first[::-1]
    assert report["focus"] and "sort=quality" in report["hash"] and "dir=asc" in report["hash"]
    for words in ("Rejections by reason", "near copy", "Teacher usage", "verified_share", "list_edits_ood_pairs"):
        assert words in report["run"]
    assert "openai:little-1b" in report["lead"]
    assert report["filtered"] == ["taxonomy_tree"] and report["theme"] == "dark"


def test_a_phone_needs_no_sideways_scrolling(page, hostile_page, studied_page, tmp_path):
    frames = []
    for i, path in enumerate((page, hostile_page, studied_page)):
        script = (
            "document.querySelector('#table .arm button').click();"
            "document.querySelectorAll('details').forEach((d) => { d.open = true; });"
            f"parent.postMessage([{i}, document.documentElement.scrollWidth], '*')"
        )
        copy = with_script(path, tmp_path / f"phone{i}.html", script)
        frames.append(f'<iframe style="width:390px;height:800px" src="{copy.name}"></iframe>')
    heard = "addEventListener('message', (e) => { document.body.append(`<${e.data.join()}>`); });"
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(f"<!DOCTYPE html><html><body><script>{heard}</script>{''.join(frames)}</body></html>")
    text = chromium(wrapper.as_uri(), tmp_path, "--dump-dom", "--virtual-time-budget=4000")
    widths = dict(re.findall(r"&lt;(\d),(\d+)&gt;", text))
    assert set(widths) == {"0", "1", "2"}
    assert all(int(width) <= 390 for width in widths.values()), widths


def test_the_page_opens_on_the_group_with_most_datasets(edition, tmp_path, dom):
    analysis, records = edition
    for i, group in enumerate(analysis.groups):
        arms = tuple(replace(a, promised=a.promised + (a.group == group)) for a in analysis.arms)
        path = build_site(replace(analysis, arms=arms), records, INFO, tmp_path, tmp_path / str(i))
        assert dom(path).one("p", id="board-lead").one("bdi").text == group.replace("|", " · ")


def test_why_there_is_no_interval_is_said_once(tmp_path, dom):
    analysis, records = build_edition(teachers=["scripted:strong"], repetitions=1)
    none = Interval(point=None, low=None, high=None, reason="too few rows")
    arms = tuple(
        replace(a, measures={**a.measures, "pair_entropy": none}) if a.arm in ("persona", "few_shot") else a
        for a in analysis.arms
    )
    path = build_site(replace(analysis, arms=arms), records, INFO, tmp_path, tmp_path / "page")
    board = dom(path).one("section", id="board")
    assert board.text.count("one repetition") == 1 and board.text.count("too few rows") == 1
    (named,) = re.findall(r"No number for (\w+), (\w+): too few rows\.", board.one(id="gaps").text)
    assert set(named) == {"persona", "few_shot"}
    titles = [cell.attrs.get("title") for cell in board.one("table", id="table").all("td", class_="value")]
    assert titles.count("too few rows") == 2 and "one repetition" in titles
    method = parse((path.parent / "methods" / "self_instruct.html").read_text(encoding="utf-8"))
    assert method.text.count("one repetition") == 1


def test_where_every_number_has_an_interval_nothing_is_said(page, dom):
    assert dom(page).one(id="gaps").text == ""


def test_methods_without_a_plugin_are_named_without_a_link(page, dom):
    tree = dom(page)
    section = tree.one(id="methods")
    assert {a.attrs["href"] for a in section.all("a")} >= {"methods/self_instruct.html", "methods/persona.html"}
    gone = {node.one("bdi").text for node in section.all("p", class_="gone")}
    assert "evol_instruct" in gone and not gone & set(INFO)
    assert not [a for node in section.all("p", class_="gone") for a in node.all("a")]


def test_a_methods_page_keeps_the_theme_and_hands_it_back(page, dom):
    tree = dom(page.parent / "methods" / "self_instruct.html", "#theme=dark")
    assert tree.one("html").attrs["data-theme"] == "dark"
    assert tree.one("a", id="back").attrs["href"].endswith("index.html#theme=dark")
    assert "data-theme" not in dom(page.parent / "methods" / "self_instruct.html").one("html").attrs


def test_filters_are_a_table_a_setting(tmp_path, dom):
    arms = {name: edition_of["ARMS"][name] for name in ("persona", "self_instruct")}
    analysis, records = build_edition(teachers=["scripted:strong"], arms=arms)
    (group,) = analysis.groups
    setting = group.removesuffix("|native")
    filters = tuple(
        FilteredArms(arm=name, method=name, setting=setting, simulated=True, rules={"native": name}) for name in arms
    )
    path = build_site(replace(analysis, filters=filters), records, INFO, tmp_path / "figures", tmp_path)
    tree = dom(path)
    table = tree.one("section", id="filters").one("table")
    assert "simulated" in table.one("caption").text
    assert [row.one("th", rowspan="1").text for row in table.all("tr", class_="first")] == ["persona", "self_instruct"]
    assert len(list(table.one("tbody").all("span", class_="point"))) == 2 * 7
    hidden = dom(build_site(analysis, records, INFO, tmp_path / "figures", tmp_path / "none"))
    assert "hidden" in hidden.one("section", id="filters").attrs


def test_a_screenshot_shows_a_table(page, tmp_path):
    import matplotlib.image

    pictures = {}
    for theme in ("light", "dark"):
        target = tmp_path / f"{theme}.png"
        chromium(f"{page.as_uri()}#theme={theme}", tmp_path, f"--screenshot={target}", "--window-size=1400,1600")
        pictures[theme] = matplotlib.image.imread(target)[..., :3]
    assert pictures["light"].shape[:2] == (1600, 1400)
    assert pictures["light"].mean() > 0.85 and pictures["dark"].mean() < 0.25
    assert all(picture[700:1500].std() > 0.03 for picture in pictures.values())
