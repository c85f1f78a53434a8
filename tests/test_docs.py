"""What README and CONTRIBUTING say can be typed and found."""

import re
from pathlib import Path

import pytest

from qdcbench.cli import parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_parse(page):
    lines = re.findall(r"^ {4}((?:qdcbench|tox|python)[^\n]*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in lines:
        for command in re.split(r"&&", line.split("  #")[0]):
            words = command.split()
            if words[0] == "qdcbench":
                parser().parse_args(words[1:])
            if words[:2] == ["tox", "-e"]:
                assert f"[tool.tox.env.{words[2]}]" in (ROOT / "pyproject.toml").read_text()
