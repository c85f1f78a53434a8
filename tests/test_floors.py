"""A module imports only from lower floors, or from inside its own sub-package."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    0: ("errors", "canon", "deadline"),
    1: ("records",),
    2: ("budgets", "claims", "seeds", "migrate", "fields", "readers", "novelty", "duplicates", "api", "foreign"),
    3: ("registry", "store", "provenance", "selection", "measures", "stats", "probes", "suite", "file_task"),
    4: ("teachers",),
    5: ("scorers",),
    6: ("stages", "plan"),
    7: ("pipeline", "editions", "report", "testing", "forecast", "doctor"),
    8: ("executors", "bundles", "studies", "profile"),
    9: ("cli", "results", "__main__"),
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names}
WITHIN_FLOOR = (
    {"api", "readers", "novelty", "duplicates", "fields"},
    {"errors", "canon", "deadline"},
    {"__main__", "cli"},
)
"""Modules of one floor that may see each other: the ground, the doorway and what it re-exports, the two entrances."""


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("qdcbench"):
            names = [node.module] if node.module != "qdcbench" else [f"qdcbench.{a.name}" for a in node.names]
            yield from names
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("qdcbench"))


def test_every_module_has_a_floor():
    there = {
        p.stem if p.is_file() else p.name
        for p in (ROOT / "qdcbench").iterdir()
        if (p.suffix == ".py" or (p / "__init__.py").is_file())
    }
    assert there - {"__init__", "suites"} == set(FLOOR), "put new modules on a floor"


def test_imports_go_down():
    wrong = []
    for path in sorted((ROOT / "qdcbench").rglob("*.py")):
        own = path.relative_to(ROOT / "qdcbench").parts[0].removesuffix(".py")
        if own == "__init__" or own == "suites":
            continue
        for name in imports_of(path):
            other = name.split(".")[1] if "." in name else ""
            if (
                other in {"", "__version__", own}
                or any({own, other} <= group for group in WITHIN_FLOOR)
                or other == "suites"
            ):
                continue
            if FLOOR.get(other, 99) >= FLOOR[own]:
                wrong.append(
                    f"{path.relative_to(ROOT)}: {own} (floor {FLOOR[own]}) imports {other} ({FLOOR.get(other)})"
                )
    assert not wrong, "\n".join(wrong)


def test_only_one_module_imports_lm_eval():
    users = [
        p.relative_to(ROOT).as_posix()
        for folder in ("qdcbench", "methods", "tasks")
        for p in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(p.read_text()))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lm_eval")
        or (isinstance(node, ast.Import) and any(a.name.split(".")[0] == "lm_eval" for a in node.names))
    ]
    assert set(users) == {"qdcbench/stages/evaluate.py"}


def test_the_doorway_and_the_help_are_light():
    heavy = "{'torch', 'lm_eval', 'pandas', 'matplotlib', 'transformers', 'datasets'}"
    for start in ("import qdcbench.api", "import qdcbench.cli; qdcbench.cli.parser()"):
        code = f"import sys; {start}; print(sorted({heavy} & set(sys.modules)))"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
        assert out.stdout.strip() == "[]", (start, out.stdout)


def room(path):
    """Lines a file may have: a method is one short file, what several share or what one has beside it is short too."""
    if path.parent != ROOT / "methods":
        return 310
    return 200 if path.name.startswith("_") else 100


def test_rooms_are_small():
    large = {
        p.relative_to(ROOT).as_posix(): n
        for folder in ("qdcbench", "tasks", "methods")
        for p in (ROOT / folder).rglob("*.py")
        if (n := len(p.read_text().splitlines())) > room(p)
    }
    assert not large
