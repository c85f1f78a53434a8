"""Every plugin passes the checks that ``qdcbench check`` runs, and each check catches a plugin that breaks it."""

import pytest

from qdcbench.cli import main
from qdcbench.errors import ConfigError
from qdcbench.registry import discover
from qdcbench.testing import check_method, check_plugins, check_task

REGISTRY = discover()
AT_LEAST = (12, 1)
"""Methods and tasks of the first edition; a new one needs no change here, and an empty discovery cannot pass."""


def test_discovery_found_what_there_is():
    assert (len(REGISTRY.methods) >= AT_LEAST[0], len(REGISTRY.tasks) >= AT_LEAST[1]) == (True, True)
    assert REGISTRY.broken == ()


@pytest.mark.parametrize("name", sorted(REGISTRY.methods))
def test_method(name):
    findings = check_method(REGISTRY.method(name), REGISTRY)
    assert len(findings) >= 3
    assert [f for f in findings if not f.holds] == []


@pytest.mark.parametrize("name", sorted(REGISTRY.tasks))
def test_task(name):
    assert [f for f in check_task(REGISTRY.task(name)) if not f.holds] == []


# ---- plugins that break a rule ---------------------------------------------------------------------------------

YIELD = "        yield Example("


@pytest.fixture
def scaffold(tmp_path, monkeypatch, capsys):
    """Make the scaffold, change its text, check it: the names of the checks that fail, with what they say."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", "method", "sample", "--folder", "mine"]) == 0

    def failing(*changes, prompts=()):
        for path, pairs in ((tmp_path / "mine" / "sample.py", changes),
                            (tmp_path / "mine" / "prompts" / "sample.toml", prompts)):  # fmt: skip
            text = path.read_text(encoding="utf-8")
            for old, new in pairs:
                assert old in text, old
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")
        registry = discover([tmp_path / "mine"])
        assert [b for b in registry.broken if b.name == "sample"] == []
        return {f.check: f.detail for f in check_method(registry.method("sample"), registry) if not f.holds}

    return failing


def test_the_scaffold_breaks_none(scaffold):
    assert scaffold() == {}


@pytest.mark.parametrize(
    ("changes", "check", "detail"),
    [
        ([("dial(4, ", "4  # ("), ('"diversity-")\n    temp', '\n    temp')], "says what every dial does", "exemplars"),
        ([('"diversity-"', '"variety-"')], "names axes that its dials move", "exemplars: variety-"),
        ([('"diversity-"', '"diversity"')], "names axes that its dials move", "exemplars: diversity"),
        ([("@method(", "# more\n" * 80 + "@method(")], "is a file of at most 100 lines", "lines"),
        ([("from qdcbench.api", "from qdcbench.canon import digest\nfrom qdcbench.api")], "imports only qdcbench.api",
         "qdcbench.canon"),
        ([(YIELD, '        open("left.txt", "w").close()\n' + YIELD)], "writes no file", "left.txt"),
        ([('"propose", exemplars', '"propose", template="other", exemplars')], "asks with prompts of its file",
         "no section other"),
        ([('{"propose": 1.0, "answer": 1.0}', '{"propose": 9.0, "answer": 1.0}')],
         "declares its calls within a factor of 2", "declares 10.00"),
        ([('cost=Cost(calls={"propose": 1.0, "answer": 1.0}),', "")], "declares its calls within a factor of 2",
         "declares no cost"),
        ([(YIELD, "        import random\n\n        random.random()\n" + YIELD)], "leaves global generators alone", ""),
        ([("parents=tuple(shot.id for shot in shots)", 'parents=("nobody",)')],
         "parents are seed examples or earlier attempts", ""),
        ([(YIELD, '        import os\n\n        prompt += os.urandom(4).hex()\n' + YIELD)],
          "same spec, same dataset", ""),
        ([("ctx.rng.sample(ctx.seed_examples, ", "list(ctx.seed_examples)[:"), ("len(ctx.seed_examples)))", "99)]"),
          ("completion=completion.strip()", 'completion="1"'), ("prompt=prompt, comp", 'prompt="a b c", comp')],
         "another repetition, another dataset", ""),
        ([("while True:", "while False:")], "makes examples within 20 s", "0 in"),
        ([("while True:", "while 1 / 0:")], "runs on the scripted teacher", "ZeroDivisionError"),
        ([('fidelity=(Component(name="imitation of seed examples", state="present"),),', "")], "states its fidelity",
         "no components"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_found(scaffold, changes, check, detail):
    found = scaffold(*changes)
    assert check in found, found
    assert detail in found[check]


def test_a_section_that_the_material_does_not_fill_is_found(scaffold):
    found = scaffold(prompts=[("{exemplars}", "{examples}")])
    assert "does not pass" in found["runs on the scripted teacher"]


def test_files_written_beside_the_plugin_are_found(scaffold):
    writes = '        import pathlib\n\n        pathlib.Path(__file__).with_name("beside.txt").touch()\n'
    assert "beside.txt" in scaffold((YIELD, writes + YIELD))["writes no file"]


def test_a_method_that_swallows_the_end_of_its_budget_still_ends(scaffold):
    """The harness's own cap holds whatever a method does about it."""
    found = scaffold(
        ('        text = ctx.teacher.ask("propose", exemplars=shown, count=1, temperature=params.temperature)\n',
         '        try:\n            text = ctx.teacher.ask("propose", exemplars=shown, count=1)\n'
         "        except Exception:\n            return\n"),
    )  # fmt: skip
    assert found == {}


def test_several_at_once_come_in_the_order_asked_for_and_as_one_by_one():
    names = ["seeds_only", "list_edits", "oracle"]
    together = list(check_plugins(names))
    assert [found[0].plugin for found in together] == names
    alone = [found for name in names for found in check_plugins([name])]
    # Seconds differ from run to run.
    facts = [[[(f.check, f.holds) for f in found] for found in every] for every in (together, alone)]
    assert facts[0] == facts[1]


def test_unknown_plugins_are_told_from_a_process_too():
    with pytest.raises(ConfigError, match="did you mean 'oracle'"):
        list(check_plugins(["seeds_only", "oracel"]))


def test_check_prints_a_line_a_check_and_a_sum(capsys):
    assert main(["check", "seeds_only", "no_training"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("checks on 2 plugins, 0 failed")
    names = [line.split()[1].rstrip(":") for line in lines[:-1]]
    assert names == sorted(names, key=["seeds_only", "no_training"].index) and len(names) == int(lines[-1].split()[0])
