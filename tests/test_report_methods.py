"""What a plugin says, read from the plugin: for its page, for a terminal, for a program."""

import json
from textwrap import dedent

import pytest

from qdcbench.cli import main
from qdcbench.registry import discover
from qdcbench.report.inputs import inputs_of
from qdcbench.report.markup import Html, join, tag
from qdcbench.report.methods import methods_info, reference_link


@pytest.fixture
def plugin(tmp_path, monkeypatch, capsys):
    """The scaffold, in a folder of its own, and its info."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", "method", "sample", "--folder", "mine"]) == 0
    capsys.readouterr()
    return lambda: methods_info(discover([tmp_path / "mine"]))["sample"]


def test_what_the_scaffold_says(plugin):
    info = plugin()
    assert (info["name"], info["version"], info["role"]) == ("sample", 1, "method")
    assert info["idea"] == "Sample: say the idea in one line."
    assert info["intents"] == ["propose", "answer"] and info["cost"]["calls"] == {"propose": 1.0, "answer": 1.0}
    assert [name for name, _ in info["inputs"]] == ["description", "seed_examples", "teacher", "answerer"]
    exemplars, temperature = info["dials"]
    assert exemplars == {"name": "exemplars", "default": 4, "does": "seed examples that a request shows",
                         "moves": [["diversity", "down"]]}  # fmt: skip
    assert temperature["moves"] == [["diversity", "up"], ["quality", "down"]]
    assert info["prompts"]["revisions"] == 0
    assert [(s["name"], s["shared"]) for s in info["prompts"]["sections"]] == [("answer", False), ("propose", False)]


def test_a_prompts_hash_follows_its_text_alone(plugin, tmp_path):
    path = tmp_path / "mine" / "prompts" / "sample.toml"
    first = {s["name"]: s["sha256"] for s in plugin()["prompts"]["sections"]}
    path.write_text("# a comment\n" + path.read_text().replace("revisions = 0", "revisions = 2"))
    assert {s["name"]: s["sha256"] for s in plugin()["prompts"]["sections"]} == first
    assert plugin()["prompts"]["revisions"] == 2
    path.write_text(path.read_text().replace("of the same kind", "of another kind"))
    second = {s["name"]: s["sha256"] for s in plugin()["prompts"]["sections"]}
    assert second["answer"] == first["answer"] and second["propose"] != first["propose"]


def test_a_shared_section_is_told_and_not_written_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "prompts").mkdir(parents=True)
    (tmp_path / "mine" / "prompts" / "_shared.toml").write_text(
        '[answer]\nuser = "{description} {examples} {prompt}"\n'
    )
    assert main(["new", "method", "sample", "--folder", "mine"]) == 0
    assert "[answer]" not in (tmp_path / "mine" / "prompts" / "sample.toml").read_text()
    info = methods_info(discover([tmp_path / "mine"]))["sample"]
    assert [(s["name"], s["shared"]) for s in info["prompts"]["sections"]] == [("answer", True), ("propose", False)]
    assert main(["check", "sample", "--plugins", str(tmp_path / "mine")]) == 0, capsys.readouterr().out


def test_inputs_are_followed_through_siblings_and_no_further_than_used(tmp_path):
    (tmp_path / "_sibling.py").write_text(dedent("""
        from ._deeper import judged as asked

        def used(ctx: GenerationContext, n): return inner(ctx)
        def inner(other: GenerationContext): return lambda: other.embed([]) or asked(other)
        def unused(ctx: GenerationContext): return ctx.verify(None)
        class Holder:
            def __init__(self, ctx: GenerationContext): self.rows = ctx.seed_examples
    """))  # fmt: skip
    (tmp_path / "_deeper.py").write_text("def judged(ctx: GenerationContext): return ctx.judge.ask('judge')\n")
    (tmp_path / "sample.py").write_text(dedent("""
        from ._sibling import used as helper
        from elsewhere import unused

        def generate(context: GenerationContext, params):
            params.gradients, ctx.proxy, context.rng
            return helper(context, 1)
    """))  # fmt: skip
    assert inputs_of(tmp_path / "sample.py") == ("judge", "embed")
    text = (tmp_path / "sample.py").read_text().replace("used as helper", "used as helper, Holder")
    (tmp_path / "sample.py").write_text(text.replace("return helper", "Holder(context); return helper"))
    assert inputs_of(tmp_path / "sample.py") == ("seed_examples", "judge", "embed")


def test_who_declares_intents_takes_somebody_to_ask_and_nobody_else_does():
    for name, info in methods_info(discover()).items():
        inputs = {key for key, _ in info["inputs"]}
        asks = bool(inputs & {"teacher", "answerer", "judge", "run_program"})
        assert asks == bool(info["intents"]), name
        assert info["role"] != "method" or "reference_rows" not in inputs, name


def test_siblings_that_import_each_other_end(tmp_path):
    (tmp_path / "_a.py").write_text("from ._b import two\ndef one(ctx: GenerationContext): return two(ctx)\n")
    (tmp_path / "_b.py").write_text("from ._a import one\ndef two(c: GenerationContext): return one(c), c.judge\n")
    (tmp_path / "m.py").write_text("from ._a import one\ndef generate(ctx: GenerationContext, p): return one(ctx)\n")
    assert inputs_of(tmp_path / "m.py") == ("judge",)


@pytest.mark.parametrize(
    ("reference", "link"),
    [
        ("arXiv:2212.10560", "https://arxiv.org/abs/2212.10560"),
        ("Wang et al. 2023, arxiv: 2212.10560, section 2", "https://arxiv.org/abs/2212.10560"),
        ("https://example.org/a", "https://example.org/a"),
        ("http://example.org/a", ""),
        ('https://example.org/"onmouseover=', ""),
        ("javascript:alert(1)", ""),
        ("none", ""),
    ],
)
def test_links_only_where_they_are_safe(reference, link):
    assert reference_link(reference) == link


def test_list_methods_as_json_is_all_that_plugins_say(capsys):
    assert main(["list", "methods", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["methods"]
    assert {row["name"] for row in found} == set(discover().methods)
    assert found == json.loads(json.dumps(list(methods_info(discover()).values())))


@pytest.mark.parametrize("what", ["method", "methods"])
def test_one_method_in_a_terminal(what, plugin, tmp_path, capsys):
    info = plugin()
    capsys.readouterr()
    assert main(["list", what, "sample", "--plugins", str(tmp_path / "mine")]) == 0
    text = capsys.readouterr().out
    for said in ("sample (version 1, method)", "exemplars = 4: seed examples that a request shows [diversity-]",
                 "temperature = 1.0", "[diversity+ quality-]", "propose 1, answer 1", "rounds of revision: 0",
                 "present: imitation of seed examples", info["prompts"]["sections"][0]["sha256"][:16]):  # fmt: skip
        assert said in text, said
    assert max(map(len, text.splitlines())) <= 100
    assert main(["list", what, "sample", "--plugins", str(tmp_path / "mine"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == info


def test_a_name_belongs_to_methods_and_must_be_one(capsys):
    assert main(["list", "budgets", "tiny"]) == 1
    assert "only a method" in capsys.readouterr().err
    assert main(["list", "methods", "oracel"]) == 1
    assert "did you mean 'oracle'" in capsys.readouterr().err


def test_markup_escapes_all_but_its_own():
    assert (
        join("<a>", tag("b", "&", class_='x"y', hidden=True, title=None))
        == '&lt;a&gt;<b class="x&quot;y" hidden>&amp;</b>'
    )
    assert join([tag("i"), ["<", None]]) == "<i></i>&lt;"
    assert isinstance(tag("p"), Html) and tag("td", aria_label="a") == '<td aria-label="a"></td>'
