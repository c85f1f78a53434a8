"""The table of speeds: every costly measure beside what a user would otherwise take, on the same rows in one run.

``python tests/perf/measure_speed.py [--data FOLDER] [--sizes 1000,5000,50000] [--only WORDS]``

Each line is two fresh processes, ours and theirs: the median seconds of three runs (of one where it takes over ten
seconds), the memory at the peak beyond what the process held before, the relative difference of the two values, and how
often theirs takes as long. Under each measure stands the power of n with which its seconds grew between the smallest
and the largest size. Imports and the loading of models are not timed; measures of vectors start from the hashed
n-grams of the prompts. Ends with an error when a difference is larger than its case allows. Linux only; needs
vendi-score, rouge-score, nltk, scikit-learn and sentence-transformers.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np
from cases import Case

from qdcbench.measures import Rows

MODULES = ("measure_words", "measure_vectors", "measure_neighbours")
EMBEDDED = ("measure_vectors", "measure_neighbours")
"""Modules whose cases start from rows with vectors."""
FEW = 20
QUICK = 10.0


@dataclass(frozen=True)
class Timing:
    """What one process found: the value, median seconds, and MB at the peak beyond the start."""

    value: float
    seconds: float
    peak: float


@dataclass(frozen=True)
class Inputs:
    """A file of texts and how many rows it has."""

    path: Path
    rows: int


def all_cases(module: str) -> list[Case]:
    """Return the cases of one module beside this file."""
    found: list[Case] = import_module(module).cases()
    return found


def status_mb(field: str) -> float:
    """Return a field of this process's memory in MB: VmRSS is now, VmHWM the most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def time_here(module: str, index: int, side: str, inputs: Path) -> Timing:
    """Time one side of a case in this process, which is a fresh one."""
    case = all_cases(module)[index]
    work = case.ours if side == "ours" else case.theirs
    assert work is not None
    prompts, completions = (tuple(texts) for texts in json.loads(inputs.read_text()))
    work(Rows(prompts=prompts[:FEW], completions=completions[:FEW]))
    whole = Rows(prompts=prompts, completions=completions)
    if module in EMBEDDED:
        whole.embeddings("hashed")
    taken, value = [], math.nan
    before = status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    while not taken or (taken[0] < QUICK and len(taken) < 3):
        # Nothing that a run finds out may help the next one, but for the vectors.
        rows = whole.take(np.arange(len(whole)))
        start = time.perf_counter()
        value = float(work(rows))
        taken.append(time.perf_counter() - start)
    return Timing(value, median(taken), max(0.0, status_mb("VmHWM") - before))


def time_apart(module: str, index: int, side: str, inputs: Inputs) -> Timing:
    """Time one side of a case in a process of its own, with as many threads as there are processors."""
    env = {**os.environ, "OMP_NUM_THREADS": str(os.cpu_count()), "HF_HUB_OFFLINE": "1"}
    env.pop("TOKENIZERS_PARALLELISM", None)
    command = [sys.executable, "-W", "ignore", __file__, "--child", module, str(index), side, str(inputs.path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{side} of case {index} of {module} failed on {inputs.rows} rows:\n{done.stderr[-2000:]}")
    return Timing(**json.loads(done.stdout.splitlines()[-1]))


def exponent(points: Sequence[tuple[int, float]]) -> str:
    """Return the power of n with which seconds grow from the first to the last size."""
    if len(points) < 2:
        return "-"
    (small, quick), (large, slow) = points[0], points[-1]
    return f"{math.log(slow / quick) / math.log(large / small):.2f}"


def show(*cells: str) -> None:
    """Print one line of the table."""
    first, *others = cells
    widths = (8, 11, 10, 8, 10, 8, 9, 8)
    line = f"{first:46}" + "".join(f"{cell:>{width}}" for cell, width in zip(others, widths, strict=False))
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


def show_case(module: str, index: int, case: Case, sizes: Sequence[Inputs]) -> list[str]:
    """Print the lines of a case; return a sentence for each size at which the two values are too far apart."""
    wrong, ours_grew, theirs_grew = [], [], []
    for inputs in sizes:
        ours = time_apart(module, index, "ours", inputs)
        ours_grew.append((inputs.rows, ours.seconds))
        cells = [case.measure, str(inputs.rows), f"{ours.value:.6g}", f"{ours.seconds:.4f}", f"{ours.peak:.0f}"]
        if case.theirs is not None and inputs.rows <= case.theirs_at_most:
            theirs = time_apart(module, index, "theirs", inputs)
            theirs_grew.append((inputs.rows, theirs.seconds))
            apart = abs(ours.value - theirs.value) / max(abs(theirs.value), 1e-300)
            if not apart <= case.agree:
                wrong.append(f"{case.measure} on {inputs.rows} rows: {ours.value!r} and {theirs.value!r}")
            ratio = f"{theirs.seconds / ours.seconds:.1f}x"
            cells += [f"{theirs.seconds:.4f}", f"{theirs.peak:.0f}", f"{apart:.0e}", ratio]
        show(*cells)
    other = f"; beside {case.package}: n^{exponent(theirs_grew)}" if case.theirs is not None else ""
    sys.stdout.write(f"    seconds grow as n^{exponent(ours_grew)}{other}\n")
    return wrong


def texts_of(folder: Path | None, n: int) -> tuple[list[str], list[str]]:
    """Return n prompts and completions: a seeded draw from the files of the folder, or texts of made-up words."""
    if folder is None:
        from measure_filters import zipf_texts

        texts = zipf_texts(2 * n)
        return texts[:n], texts[n:]
    from qdcbench.readers import read_examples

    examples = [e for file in sorted(folder.glob("*.json*")) for e in read_examples(str(file)).examples]
    if len(examples) < n:
        raise SystemExit(f"the files in {folder} have {len(examples)} rows; ask for no more of them with --sizes")
    drawn = random.Random(0).sample(examples, n)
    return [e.prompt for e in drawn], [e.completion for e in drawn]


def main() -> None:
    """Print the table, or time one side of one case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of JSON or JSONL files; texts of made-up words by default")
    parser.add_argument("--sizes", default="1000,5000,50000", help="rows, smallest first")
    parser.add_argument("--only", default="", help="only measures whose name or package has these words")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        module, index, side, path = args.child
        sys.stdout.write("\n" + json.dumps(vars(time_here(module, int(index), side, Path(path)))) + "\n")
        return
    made = f"rows of {args.data}" if args.data else "made-up rows of words with Zipf's frequencies"
    sys.stdout.write(f"{made}; {os.cpu_count()} processors\n\n")
    show("measure", "rows", "value", "seconds", "MB", "theirs s", "MB", "differs", "ratio")
    with tempfile.TemporaryDirectory() as folder:
        sizes = []
        for n in map(int, args.sizes.split(",")):
            sizes.append(Inputs(Path(folder) / f"{n}.json", n))
            sizes[-1].path.write_text(json.dumps(texts_of(args.data, n)))
        wrong = [
            sentence
            for module in MODULES
            for index, case in enumerate(all_cases(module))
            if args.only.casefold() in f"{case.measure} {case.package}".casefold()
            for sentence in show_case(module, index, case, sizes)
        ]
    if wrong:
        raise SystemExit("values that are too far apart:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
