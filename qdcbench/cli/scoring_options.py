"""Options of ``qdcbench measure`` that name models, judges and parsers to look at the rows."""

import argparse
from pathlib import Path
from typing import Any

from qdcbench.errors import ConfigError
from qdcbench.profile.request import Close
from qdcbench.records import TeacherSpec

__all__ = ["SCORERS", "add_scoring_options", "close_of"]

SCORERS = {
    "model": "causal language model (folder or hub name): perplexity, answer likelihood, IFD",
    "reward": "reward model (folder or hub name) that scores prompt and completion",
    "rater": "causal language model that rates quality and complexity from 1 to 6",
    "parser": "installed spaCy pipeline: verb and noun of a prompt, depth of its syntax",
}


def add_scoring_options(every: Any, close: Any) -> None:
    """Add the options: group ``every`` has those that look at every drawn row, ``close`` those that cost."""
    for name, what in SCORERS.items():
        every.add_argument(f"--{name}", default="", metavar="NAME", help=what)
    close.add_argument(
        "--judged", type=int, default=Close().rows, metavar="N",
        help=f"rows of each file that the options below look at (default: {Close().rows})",
    )  # fmt: skip
    close.add_argument(
        "--judge", default="", metavar="TEACHER",
        help="language model that is asked, as kind:model, such as openai:my-model or local:./folder: ratings, a "
        "ranking of prompts, tags, completions against those of --gold, nodes of a taxonomy",
    )  # fmt: skip
    close.add_argument("--tagger", default="", metavar="TEACHER", help="who gives the tags in the judge's place")
    close.add_argument(
        "--base-url", default="", metavar="URL",
        help="address of the server of openai: judges and taggers (default: the variable OPENAI_BASE_URL)",
    )  # fmt: skip
    close.add_argument(
        "--answers", type=Path, metavar="FILE",
        help="keep what a judge or tagger answered in this file; a second run asks it nothing again",
    )  # fmt: skip
    close.add_argument("--gradients", action="store_true", help="gradients of --model, for g_vendi")
    close.add_argument(
        "--fail-rate", type=int, default=0, metavar="N",
        help="let --model answer each prompt N times; its answers are compared with those of --gold",
    )  # fmt: skip


def _asked(text: str, base_url: str) -> TeacherSpec | None:
    from qdcbench.teachers.build import parse_teacher

    if not text:
        return None
    remote = text.startswith(("openai:", "ensemble:"))
    return parse_teacher(text, {"base_url": base_url} if base_url and remote else {})


def close_of(args: argparse.Namespace) -> Close:
    """Return what shall look closely.

    Raises:
        ConfigError: an option is wrong, or useless without another.
    """
    asks = bool(args.judge or args.tagger)
    for option, given in (("--base-url", args.base_url), ("--answers", args.answers)):
        if given and not asks:
            raise ConfigError(f"{option} is of a judge or tagger; name one with --judge or --tagger")
    return Close(
        rows=args.judged, judge=_asked(args.judge, args.base_url), tagger=_asked(args.tagger, args.base_url),
        gradients=args.gradients, samples=args.fail_rate, answers=args.answers,
    )  # fmt: skip
