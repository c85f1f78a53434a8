"""``qdcbench new``: a scaffold for a method."""

import argparse
import importlib
import re
from pathlib import Path

from qdcbench.errors import ConfigError
from qdcbench.store import write_atomic
from qdcbench.teachers.prompts import SHARED

__all__ = ["add_parser", "run"]

_METHOD = '''"""{title}: say the idea in one line."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method


@dataclass(frozen=True)
class Params:
    """How many seed examples a request shows, and how freely the teacher writes."""

    exemplars: int = dial(4, "seed examples that a request shows", "diversity-")
    temperature: float = dial(1.0, "temperature of the proposals", "diversity+ quality-")


@method(
    name="{name}",
    version=1,
    summary="Ask for new prompts like a few seed examples, then answer them.",
    reference="none",
    params=Params,
    fidelity=(Component(name="imitation of seed examples", state="present"),),
    intents=("propose", "answer"),
    cost=Cost(calls={{"propose": 1.0, "answer": 1.0}}),
)
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield examples until the harness stops asking."""
    while True:
        shots = ctx.rng.sample(ctx.seed_examples, min(params.exemplars, len(ctx.seed_examples)))
        shown = [shot.prompt for shot in shots]
        text = ctx.teacher.ask("propose", exemplars=shown, count=1, temperature=params.temperature)
        prompt = text.strip().splitlines()[0].lstrip("0123456789. ") if text.strip() else ""
        if not prompt:
            ctx.reject(text, "empty proposal")
            continue
        told = {{"description": ctx.description, "examples": list(ctx.seed_examples[:3])}}
        completion = ctx.answerer.ask("answer", prompt=prompt, temperature=0.0, **told)
        if not completion.strip():
            ctx.reject(prompt, "empty answer")
            continue
        yield Example(prompt=prompt, completion=completion.strip(), parents=tuple(shot.id for shot in shots))
'''

_PROMPTS = '''# Prompts of {name}. revisions: how often each was rewritten after its first form; effort is told.
revisions = 0

[propose]
user = """Here are some tasks:
{exemplars}
Write {count} new task of the same kind, different from all of these. Reply with the task alone."""
'''

_ANSWER = '''
[answer]
user = """{description}
Tasks with their answers:
{examples}
Solve this task and reply with the answer alone.
{prompt}"""
'''


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "new",
        help="write a working scaffold of a method",
        epilog="example: qdcbench new method my_idea && qdcbench check my_idea",
    )
    parser.add_argument("kind", choices=("method",))
    parser.add_argument("name", help="lower-case name, also the file's name")
    parser.add_argument("--folder", type=Path, default=Path("methods"), help="where to write (default: methods)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write the method's file and its prompts, never over an existing one."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", args.name):
        raise ConfigError(f"{args.name!r} is no method name; use lower-case letters, digits and _")
    path = args.folder / f"{args.name}.py"
    prompts = args.folder / "prompts" / f"{args.name}.toml"
    for file in (path, prompts):
        if file.exists():
            raise ConfigError(f"{file} exists already; choose another name or delete it")
    write_atomic(path, _METHOD.format(name=args.name, title=args.name.replace("_", " ").capitalize()))
    # Where all methods share one way of answering, a section of one's own would make rows differ by it.
    shared = (prompts.parent / SHARED).is_file()
    write_atomic(prompts, _PROMPTS.replace("{name}", args.name) + ("" if shared else _ANSWER))
    scanned = [Path(folder).resolve() for folder in importlib.import_module("qdcbench.methods").__path__]
    private = "" if args.folder.resolve() in scanned else f" --plugins {args.folder}"
    print(f"wrote {path} and {prompts}")
    print("next steps:")
    for command, why in (
        (f"qdcbench check {args.name}{private}", "conformance, in seconds, on the scripted teacher"),
        (f"qdcbench run --method {args.name} --budget tiny{private}", "a first run to its page"),
        (f"qdcbench list methods {args.name}{private}", "what its page will say: idea, cost, dials, fidelity, prompts"),
    ):
        print(f"  {command}\n      {why}")
    print(f"  then write the idea into {path}, raise version whenever rows change, and tell the fidelity as it is")
    return 0
