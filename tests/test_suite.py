from pathlib import Path

import pytest

from qdcbench.errors import ConfigError
from qdcbench.plan import expand
from qdcbench.records import group_of
from qdcbench.registry import discover
from qdcbench.stages.generate import generation_key
from qdcbench.suite import embedded_suites, parse_suite, read_suite

GOOD = 'name = "s"\nteacher = "scripted:weak"\n[[arm]]\nmethod = "persona"\n'


def test_embedded_suites_parse():
    assert {"quick", "standard", "filters"} <= set(embedded_suites())
    for name, text in embedded_suites().items():
        assert parse_suite(text, name).name == name


def test_settings_become_arms_named_by_their_parameters():
    suite = parse_suite(GOOD + 'settings = [{ mode = "a" }, { mode = "b" }]\n', "s")
    assert [arm.name for arm in suite.arms] == ["persona[mode=a]", "persona[mode=b]"]
    assert suite.teachers == ("scripted:weak",)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("name = ", "not valid TOML"),
        ('name = "s"\n', "there is no arm"),
        (GOOD.replace("teacher", "teechers"), r"'teechers' is unknown, did you mean 'teacher"),
        (GOOD + "parms = {}\n", r"arm 1: 'parms' is unknown, did you mean 'params'"),
        ('repetitions = "two"\n' + GOOD, "repetitions"),
        ("repetitions = 0\n" + GOOD, "repetitions must be at least 1"),
        (GOOD + '[[arm]]\nmethod = "persona"\n', "two arms are called 'persona'"),
        (GOOD + "settings = 3\n", "settings must be a list of tables"),
        ('selection = "nativ"\n' + GOOD, "selection"),
        (GOOD + 'selection = "nativ"\n', "arms.0.selection"),
        (GOOD + 'selection = ["native", "native"]\n', "two arms are called 'persona'"),
        (GOOD + "params = 3\n", "arm 1: params must be a table"),
        (GOOD + "grid = { shots = 2 }\n", "arm 1: grid must be a table of lists"),
        (GOOD + "grid = { shots = [] }\n", "arm 1: grid must be a table of lists"),
        (GOOD + "grid = { shots = [1] }\nparams = { shots = 2 }\n", "arm 1: 'shots' stands in grid and beside it"),
        (GOOD + "grid = { shots = [1, 1] }\n", "two arms are called 'persona\\[shots=1\\]'"),
        ('budget = "rows-1k"\nbudgets = ["rows-2k"]\n' + GOOD, "budget and budgets are both given"),
        ("budgets = []\n" + GOOD, "budgets is empty"),
        ('budgets = ["tiny", "tiny"]\n' + GOOD, "the budget 'tiny' stands twice"),
    ],
)
def test_mistakes_are_told_with_where_and_what_to_do(text, pattern):
    with pytest.raises(ConfigError, match=pattern):
        parse_suite(text, "file.toml")


def test_an_arm_has_a_rule_of_its_own_and_says_so():
    suite = parse_suite(GOOD + 'selection = ["none", "native", "common", "native+common"]\n', "s")
    names = [("persona [none]", "none"), ("persona", "native"), ("persona [common]", "common"),
             ("persona [native+common]", "native+common")]  # fmt: skip
    assert [(arm.name, arm.selection) for arm in suite.arms] == names
    turned = parse_suite('selection = "common"\n' + GOOD + '[[arm]]\nmethod = "persona"\nselection = "native"\n', "s")
    assert [arm.name for arm in turned.arms] == ["persona", "persona [native]"]


def test_settings_and_rules_cross():
    suite = parse_suite(GOOD + 'settings = [{ a = 1 }, { a = 2 }]\nselection = ["native", "common"]\n', "s")
    assert [arm.name for arm in suite.arms] == [
        "persona[a=1]", "persona[a=2]", "persona[a=1] [common]", "persona[a=2] [common]",
    ]  # fmt: skip


def test_one_name_may_stand_for_one_arm_under_each_rule():
    text = GOOD + 'name = "p"\nselection = ["native", "common"]\n'
    assert [(arm.name, arm.selection) for arm in parse_suite(text, "s").arms] == [("p", "native"), ("p", "common")]


CONTROLS = 'name = "s"\nrepetitions = 2\n[[arm]]\nmethod = "seeds_only"\n'


def cells(text):
    return expand(parse_suite(text, "s"), discover(), Path()).cells


def test_rules_of_arms_reach_the_cells_and_share_the_data():
    found = cells(CONTROLS + 'selection = ["native", "common"]\n')
    assert {(cell.arm, cell.selection.rule) for cell in found} == {
        ("seeds_only", "native"), ("seeds_only [common]", "common"),
    }  # fmt: skip
    assert len({cell.run_id for cell in found}) == 4
    assert len({group_of(cell) for cell in found}) == 2
    entry = discover().method("seeds_only")
    keys = {
        cell.repetition: {generation_key(c, entry) for c in found if c.repetition == cell.repetition} for cell in found
    }
    assert all(len(same) == 1 for same in keys.values()) and keys[0] != keys[1]


def test_cells_that_share_their_data_are_started_far_apart():
    rules = 'selection = ["native", "common"]\n'
    found = cells(CONTROLS + rules + '[[arm]]\nmethod = "oracle"\n' + rules)
    started = [(cell.repetition, cell.selection.rule, cell.method) for cell in found]
    assert started == [(r, rule, m) for r in (0, 1) for rule in ("native", "common") for m in ("seeds_only", "oracle")]


def test_teachers_of_arms_stand_for_the_suites():
    ensemble = "ensemble:scripted:strong*0.7+scripted:weak*0.3"
    found = cells(CONTROLS + f'[[arm]]\nname = "two"\nmethod = "oracle"\nteachers = ["{ensemble}", "scripted:weak"]\n')
    assert {(cell.arm, cell.teacher.name) for cell in found} == {
        ("seeds_only", "scripted:strong"), ("two", ensemble), ("two", "scripted:weak"),
    }  # fmt: skip
    assert cells(CONTROLS + 'teacher = "scripted:weak"\n')[0].teacher.name == "scripted:weak"


def test_a_wrong_teacher_of_an_arm_is_told_at_the_plan():
    with pytest.raises(ConfigError, match="did you mean 'scripted'"):
        cells(CONTROLS + 'teachers = ["scriptd:strong"]\n')


def test_a_suite_of_rules_leaves_old_runs_what_they_were():
    """A record made before arms had rules of their own keeps its place."""
    plain, ruled = cells(CONTROLS), cells(CONTROLS + 'selection = "native"\nteachers = ["scripted:strong"]\n')
    assert [cell.run_id for cell in plain] == [cell.run_id for cell in ruled]


def test_several_mistakes_come_together():
    with pytest.raises(ConfigError) as caught:
        parse_suite('nam = "s"\nbudgt = "x"\n[[arm]]\nmetod = "y"\n', "f")
    assert all(word in str(caught.value) for word in ("nam", "budgt", "metod"))


def test_unknown_suites_and_files_get_neighbours(tmp_path):
    (tmp_path / "mine.toml").write_text(GOOD)
    with pytest.raises(ConfigError, match="did you mean 'quick'"):
        read_suite("quik")
    with pytest.raises(ConfigError, match=r"did you mean 'mine.toml'"):
        read_suite(str(tmp_path / "min.toml"))
    (tmp_path / "junk.toml").write_bytes(b"\xff\xfe\x00junk")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_suite(str(tmp_path / "junk.toml"))
    assert read_suite(str(tmp_path / "mine.toml"))[1] == tmp_path


def test_a_grid_crosses_all_its_values_and_the_settings():
    text = (
        GOOD
        + 'params = { mode = "a" }\nsettings = [{ x = 1 }, { x = 2 }]\ngrid = { shots = [2, 8], heat = [0.5, 1.0] }\n'
    )
    arms = parse_suite(text, "s").arms
    assert [tuple(arm.params.values()) for arm in arms] == [
        ("a", x, shots, heat) for x in (1, 2) for shots in (2, 8) for heat in (0.5, 1.0)
    ]
    assert arms[1].name == "persona[mode=a,x=1,shots=2,heat=1.0]" and len({arm.name for arm in arms}) == 8
    assert len(parse_suite(text + 'selection = ["native", "common"]\n', "s").arms) == 16


def test_budgets_cross_with_arms_teachers_and_repetitions():
    found = cells('budgets = ["tiny", "rows-1k"]\nteachers = ["scripted:weak", "scripted:strong"]\n' + CONTROLS)
    assert len(found) == len({cell.run_id for cell in found}) == 8
    assert {(c.teacher.name, c.budget.name, c.repetition) for c in found} == {
        (t, b, r) for t in ("scripted:weak", "scripted:strong") for b in ("tiny", "rows-1k") for r in (0, 1)
    }
    assert len({group_of(cell) for cell in found}) == 4
    alone = cells('budgets = ["tiny"]\n' + CONTROLS), cells('budget = "tiny"\n' + CONTROLS)
    assert [c.run_id for c in alone[0]] == [c.run_id for c in alone[1]]


def test_every_unknown_budget_is_told():
    with pytest.raises(ConfigError, match=r"'tiyn'; did you mean 'tiny'\?.*'rows-1m'"):
        cells('budgets = ["tiyn", "rows-1m"]\n' + CONTROLS)


STUDY = """
[[study]]
name = "T"
claim = "Stricter selection costs diversity."
design = "interventional"
method = "quality_only"
factor = "factor"
[[study.test]]
outcome = "diversity"
expect = "falls"
smallest_effect = 0.2
[[arm]]
method = "quality_only"
grid = { factor = [1.0, 2.0, 4.0] }
"""


def test_a_study_is_read_as_written():
    (study,) = parse_suite('name = "s"\n' + STUDY, "s").studies
    assert (study.name, study.design, study.method, study.factor, study.alpha) == (
        "T", "interventional", "quality_only", "factor", 0.05,
    )  # fmt: skip
    assert [(test.outcome, test.expect, test.smallest_effect) for test in study.tests] == [("diversity", "falls", 0.2)]


@pytest.mark.parametrize(
    ("old", "new", "pattern"),
    [
        ("factor =", "faktor =", r"study 'T': 'faktor' is unknown, did you mean 'factor'"),
        ("outcome =", "outcom =", r"study 'T': test 1: 'outcom' is unknown, did you mean 'outcome'"),
        ("smallest_effect = 0.2", "", "study 'T': test 1 needs smallest_effect, in units of its outcome"),
        ("smallest_effect = 0.2", "smallest_effect = 0", "smallest_effect of 'diversity' must be above 0"),
        ('expect = "falls"', 'expect = "drops"', r"studies.0.tests.0.expect"),
        ('design = "interventional"', 'design = "both"', r"studies.0.design"),
        ('factor = "factor"', 'factor = "factor"\nalpha = 1', "alpha must lie between 0 and 1"),
        ("[[study.test]]", "[study.other]", r"study 'T' has no test; add \[\[study.test\]\]"),
        ("[[study]]", "[study]", r"write \[\[study\]\]"),
        (
            "[[arm]]",
            '[[study.test]]\noutcome = "diversity"\nsmallest_effect = 1\n[[arm]]',
            "two tests have the outcome",
        ),
        ("[[arm]]", STUDY.partition("[[arm]]")[0] + "[[arm]]", "two interventional studies are called 'T'"),
    ],
)
def test_mistakes_in_a_study_are_told(old, new, pattern):
    with pytest.raises(ConfigError, match=pattern):
        parse_suite('name = "s"\n' + STUDY.replace(old, new, 1), "s")
