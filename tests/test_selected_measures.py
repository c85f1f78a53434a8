"""Methods are flagged beside the measures that they select on, by what their source uses."""

from dataclasses import replace

from qdcbench.measures.table import METRICS
from qdcbench.registry import discover
from qdcbench.report.selected import TOOLS, measures_selected_on, selected_by, tools_of

REGISTRY = discover()

PLUGIN = '''
from collections.abc import Iterator
from dataclasses import dataclass
from qdcbench.api import Example, GenerationContext, method
from ._shared import kept

@dataclass(frozen=True)
class Params:
    """None."""

@method(name="NAME", version=1, summary="x", reference="none", params=Params, intents=INTENTS)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield."""
    BODY
    yield from kept()
'''


def private(tmp_path, name, body, intents="()", shared=""):
    text = PLUGIN.replace("NAME", name).replace("BODY", body).replace("INTENTS", intents)
    (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "_shared.py").write_text(f"{shared}\ndef kept():\n    return []\n")
    found = discover([tmp_path])
    assert not found.broken, found.broken
    return found


def test_methods_stand_beside_the_measures_they_select_on():
    flags = {name: selected_by(row, REGISTRY) for name, row in METRICS.items()}
    assert {"rejection_sampling", "rest_em", "star"} == set(flags["verified_share"])
    assert {"deita", "ensemble", "magpie", "persona", "qdc_balanced", "qdit"} == set(flags["vendi_q1[minilm]"])
    assert {"deita", "lab", "magpie", "qdc_balanced", "qdit", "quality_only", "simula"} == set(flags["judge_score"])
    assert flags["vendi_q1[hashed]"] == () and flags["mean_depth"] == ()
    vendi = METRICS["vendi_q1[minilm]"]
    assert selected_by(replace(vendi, card=replace(vendi.card, tool="gradients")), REGISTRY) == ("prismatic",)


def test_methods_and_measures_say_the_same_of_each_other():
    by_measure = {(name, method) for name, row in METRICS.items() for method in selected_by(row, REGISTRY)}
    by_method = {(name, m) for m, entry in REGISTRY.methods.items() for name in measures_selected_on(entry)}
    assert by_measure == by_method and by_method


def test_every_tool_of_a_card_is_a_tool():
    assert {row.card.tool for row in METRICS.values()} - {""} <= set(TOOLS)


def test_controls_select_nothing():
    controls = [entry for entry in REGISTRY.methods.values() if entry.plugin.role == "control"]
    assert controls and all(tools_of(entry) == () for entry in controls)


def test_a_method_that_filters_by_shared_words_is_told_from_its_siblings():
    with_overlap = {name for name, entry in REGISTRY.methods.items() if "overlap" in tools_of(entry)}
    assert with_overlap == {"persona", "self_instruct", "simula"}


def test_a_new_method_is_flagged_without_a_word_from_its_author(tmp_path):
    found = private(tmp_path, "near", "ctx.embed([seed.prompt for seed in ctx.seed_examples])")
    assert tools_of(found.method("near")) == ("embed",)
    assert "near" in selected_by(METRICS["vendi_q1[minilm]"], found)
    assert "near" not in selected_by(METRICS["vendi_q1[hashed]"], found)


def test_asking_a_judge_to_classify_is_no_selection_by_its_ratings(tmp_path):
    for name, intents, tools in (("sorter", '("classify",)', ()), ("rater", '("judge",)', ("judge",))):
        folder = tmp_path / name
        folder.mkdir()
        assert tools_of(private(folder, name, "ctx.judge", intents).method(name)) == tools


def test_a_filter_in_a_sibling_counts(tmp_path):
    shared = "from qdcbench.api import NoveltyFilter\n\ndef new():\n    return NoveltyFilter(0.7)\n"
    assert tools_of(private(tmp_path, "words", "pass", shared=shared).method("words")) == ("overlap",)
