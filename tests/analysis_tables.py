"""Tables of columns with planted effects, for the tests of the observational analysis."""

import numpy as np

from qdcbench.records import SuiteFacts
from qdcbench.stages.analysis.table import Table

PRIMARY = {"quality": "correct", "diversity": "vendi", "complexity": "depth", "score": "em"}

AXES_OF = {"correct": "quality", "clean": "quality", "vendi": "diversity", "words": "diversity", "depth": "complexity"}

SUITE = SuiteFacts(edition="planted", primary=PRIMARY, promised=(), id_sets={}, ood_sets={}, root_seed=3, resamples=300)


def planted(seed: int, *, methods: int = 10, groups: int = 2, repetitions: int = 3, rows_vary: bool = False,
            alike: float = 1.0, length_pays: float = 0.0, constant: str = "", missing: str = "") -> Table:  # fmt: skip
    """Quality moves ID, diversity moves OOD, complexity moves the deep set; methods have errors of their own.

    ``alike`` below 1 makes diversity of quality and that share of noise; ``length_pays`` is what a standard deviation
    of length adds to every score; the columns named ``constant`` and ``missing`` are so.
    """
    rng = np.random.default_rng(seed)
    method = np.repeat(np.arange(methods), groups * repetitions)
    group = np.tile(np.repeat(np.arange(groups), repetitions), methods)
    n = method.size

    def column() -> np.ndarray:
        return rng.standard_normal(methods)[method] + 0.4 * rng.standard_normal(n)

    quality, diversity, complexity, length = column(), column(), column(), column()
    diversity = quality + alike * diversity if alike < 1 else diversity
    rows = np.log(100 + 50 * column() ** 2) if rows_vary else np.full(n, np.log(100.0))

    def score(slopes: tuple[float, float, float]) -> np.ndarray:
        peculiar = 0.4 * rng.standard_normal(methods)[method] + 0.3 * rng.standard_normal(n)
        axes = np.column_stack([quality, diversity, complexity]) @ np.array(slopes)
        return axes + length_pays * length + peculiar + 10.0 * group

    measures = {
        "correct": quality,
        "clean": quality + column(),
        "vendi": diversity,
        "words": column(),
        "depth": complexity,
    }
    scores = {"id:em": score((1.0, 0.0, 0.3)), "ood:em": score((0.0, 1.0, 0.3)), "ood_deep:em": score((0.0, 0.3, 1.0)),
              "id:nll": score((-1.0, 0.0, 0.0))}  # fmt: skip
    for columns in (measures, scores):
        for name in columns:
            columns[name] = {constant: np.ones(n), missing: np.full(n, np.nan)}.get(name, columns[name])
    return Table(
        scope="simulated", measures=measures, scores=scores, axes=AXES_OF, log_words=0.3 * length + rows,
        log_length=0.3 * length, groups=tuple(f"g{g}" for g in group), clusters=tuple(f"m{m:02d}" for m in method),
    )  # fmt: skip
