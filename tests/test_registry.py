import pytest

from qdcbench.errors import ConfigError, PluginError
from qdcbench.registry import discover, resolve_params

METHOD = """
from collections.abc import Iterator
from dataclasses import dataclass
from qdcbench.api import Example, GenerationContext, method

@dataclass(frozen=True)
class Params:
    shots: int = 3
    rate: float = 0.5

@method(name="NAME", version=1, summary="s", reference="none", params=Params)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    yield from ctx.seed_examples
"""


def folder_with(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def test_the_packages_own_plugins_are_found():
    registry = discover()
    assert {
        "self_instruct",
        "evol_instruct",
        "persona",
        "simula",
        "no_training",
        "seeds_only",
        "oracle",
        "duplicated",
        "shuffled_answers",
        "corrupted",
        "random_thinning",
        "imported",
    } <= set(registry.methods)
    assert "list_edits" in registry.tasks
    assert registry.broken == ()


def test_a_private_folder_adds_a_method(tmp_path):
    folder = folder_with(tmp_path, mine=METHOD.replace("NAME", "mine"), _sibling="X = 1")
    registry = discover([folder])
    assert registry.method("mine").path == folder / "mine.py"
    assert registry.broken == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# @method\nimport nothing_of_that_name", "No module named 'nothing_of_that_name'"),
        ("# @method\nraise SystemExit(3)", "SystemExit"),
        ("# @method\nx = 1", "holds 0 objects marked @method"),
        (METHOD.replace("NAME", "other"), "calls itself 'other'"),
        ("# @method\ndef (:", "SyntaxError"),
        (METHOD.replace("NAME", "mine").replace("frozen=True", "frozen=False"), "frozen dataclass"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_sentence(tmp_path, text, sentence):
    registry = discover([folder_with(tmp_path, mine=text)])
    assert [(b.kind, b.name) for b in registry.broken] == [("method", "mine")]
    assert sentence in registry.broken[0].sentence
    with pytest.raises(PluginError, match="is broken"):
        registry.method("mine")
    assert "self_instruct" in registry.methods


def test_a_name_that_is_taken_is_reported_not_renamed(tmp_path):
    registry = discover([folder_with(tmp_path, persona=METHOD.replace("NAME", "persona"))])
    assert "is taken by" in registry.broken[0].sentence
    assert registry.method("persona").path != tmp_path / "persona.py"


def test_an_unknown_name_gets_its_neighbours():
    with pytest.raises(ConfigError, match="did you mean 'persona'"):
        discover().method("persna")
    with pytest.raises(ConfigError, match="does not exist"):
        discover([__import__("pathlib").Path("/no/such/folder")])


def test_the_digest_changes_with_the_file(tmp_path):
    first = discover([folder_with(tmp_path, one=METHOD.replace("NAME", "one"))]).method("one").sha256
    other = tmp_path / "other"
    other.mkdir()
    second = discover([folder_with(other, one=METHOD.replace("NAME", "one") + "\n")]).method("one").sha256
    assert first != second


def test_the_digest_covers_the_siblings_a_plugin_uses_and_no_others(tmp_path):
    text = "from ._near import X\n" + METHOD.replace("NAME", "one")

    def digest(folder, **files):
        (tmp_path / folder).mkdir()
        return discover([folder_with(tmp_path / folder, one=text, **files)]).method("one").sha256

    first = digest("a", _near="from ._far import X", _far="X = 1", _other="Y = 1")
    assert first == digest("b", _near="from ._far import X", _far="X = 1", _other="Y = 2")
    assert first != digest("c", _near="from ._far import X", _far="X = 2", _other="Y = 1")


def test_params_are_filled_checked_and_explained_all_at_once(tmp_path):
    plugin = discover([folder_with(tmp_path, two=METHOD.replace("NAME", "two"))]).method("two").plugin
    value, plain = resolve_params(plugin, {"shots": 5})
    assert (value.shots, plain) == (5, {"shots": 5, "rate": 0.5})
    with pytest.raises(ConfigError, match=r"'shot' is no parameter, did you mean 'shots'.*'rat' is no parameter"):
        resolve_params(plugin, {"shot": 5, "rat": 1})
    with pytest.raises(ConfigError, match="shots"):
        resolve_params(plugin, {"shots": "many"})
