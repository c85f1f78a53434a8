"""The wheel holds what a checkout holds."""

import tomllib
from importlib import resources
from pathlib import Path

import qdcbench

ROOT = Path(__file__).resolve().parent.parent


def test_the_list_of_packages_equals_the_folders():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    inside = {".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "qdcbench").rglob("__init__.py")}
    assert listed == inside | {"qdcbench.methods", "qdcbench.tasks", "qdcbench.leaderboard"}


def test_data_files_are_found_wherever_the_package_lies():
    for package, name in (
        ("qdcbench.methods", "prompts/persona.toml"),
        ("qdcbench.tasks", "data/list_edits_base/model.safetensors"),
        ("qdcbench.tasks", "lm_eval/list_edits/list_edits_id.yaml"),
        ("qdcbench.leaderboard", "page/template.html"),
        ("qdcbench.suites", "quick.toml"),
        ("qdcbench.scorers", "judge.toml"),
    ):
        assert (resources.files(package) / name).is_file(), (package, name)


def test_tox_runs_against_the_wheel(pytestconfig):
    import os

    if "TOX_ENV_NAME" in os.environ:
        assert "site-packages" in str(Path(qdcbench.__file__))
