"""How long the analysis of a large edition takes, part by part, and that it has the same bytes in any order.

``python tests/perf/measure_analysis.py [--arms 10] [--resamples 10000] [--profile 25]`` writes an edition of
20 methods x arms x 5 teachers x 2 selection rules x 5 repetitions with 123 measures and 10 scores a data set into a
temporary folder (10,050 records with the baseline), reads it back and analyses it.
"""

import argparse
import cProfile
import hashlib
import os
import pstats
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planted_edition import Size, records, write_edition

from qdcbench.canon import pretty_json
from qdcbench.editions import load_edition, write_analysis
from qdcbench.records import RunRecord, SuiteFacts
from qdcbench.results import load_results
from qdcbench.stages.analyze import analyze

TEACHERS = ("scripted:strong", "scripted:weak", "openai:a", "openai:b", "openai:c")


def say(line: str) -> None:
    """Print a line at once, so that a slow part is seen while it is slow."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def timed(name: str, call: Callable[[], Any]) -> Any:
    """Call it and print how long it took, in wall-clock and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    spent = f"{time.perf_counter() - wall:7.1f} s  {time.process_time() - cpu:7.1f} s of processor"
    say(f"{name:28} {spent}  peak so far {peak:.2f} GiB")
    return result


def main() -> None:
    """Print the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--measures", type=int, default=123)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--profile", type=int, default=0, metavar="LINES", help="profile instead: slower, and where")
    args = parser.parse_args()
    size = Size(
        methods=20, arms=args.arms, teachers=TEACHERS, rules=("native", "none"), repetitions=5,
        measures=args.measures, baseline=True,
    )  # fmt: skip
    say(f"{os.cpu_count()} processors, {os.environ.get('OMP_NUM_THREADS', 'all')} threads for linear algebra")
    with tempfile.TemporaryDirectory() as place:
        folder = timed("write the records", lambda: write_edition(Path(place) / "large", records(size)))
        edition = timed("read the records", lambda: load_edition(folder))
        facts = replace(edition.facts, resamples=args.resamples)
        say(f"{len(edition.records)} records, {len({(c.group) for c in facts.promised})} groups")
        if args.profile:
            profile(edition.records, facts, args.profile)
            return
        analysis = timed("analyse", lambda: analyze(edition.records, facts))
        text = timed("write the analysis", lambda: pretty_json(analysis))
        shuffled = random.Random(0).sample(edition.records, len(edition.records))
        again = timed("analyse in another order", lambda: analyze(shuffled, facts))
        say(f"same bytes: {pretty_json(again) == text}; sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}")
        write_analysis(folder, analyze(edition.records, edition.facts))
        results = timed("load_results, analysed", lambda: load_results(folder))
        say(*results.notes)
        for name in ("runs", "measures", "relations", "arm_measures"):
            timed(f"  .{name}", lambda name=name: getattr(results, name))


def profile(found: tuple[RunRecord, ...], facts: SuiteFacts, lines: int) -> None:
    """Print where the analysis spends its time."""
    watched = cProfile.Profile()
    timed("analyse, profiled", lambda: watched.runcall(analyze, found, facts))
    for order in ("cumulative", "tottime"):
        pstats.Stats(watched).sort_stats(order).print_stats("qdcbench|numpy|scipy|built-in", lines)


if __name__ == "__main__":
    main()
