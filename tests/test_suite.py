import pytest

from qdcbench.errors import ConfigError
from qdcbench.suite import embedded_suites, parse_suite, read_suite

GOOD = 'name = "s"\nteacher = "scripted:weak"\n[[arm]]\nmethod = "persona"\n'


def test_embedded_suites_parse():
    assert {"quick", "standard"} <= set(embedded_suites())
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
    ],
)
def test_mistakes_are_told_with_where_and_what_to_do(text, pattern):
    with pytest.raises(ConfigError, match=pattern):
        parse_suite(text, "file.toml")


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
