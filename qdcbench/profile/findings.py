"""What a page shows beside the table: map, duplicates, hardest rows, emptiest regions and lengths."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qdcbench.measures.cards import MeasureRow
from qdcbench.measures.diversity.partition import fitted
from qdcbench.measures.rows import FloatArray, IntArray, Side, Unmeasurable
from qdcbench.measures.table import table_of
from qdcbench.profile.measured import Profiles
from qdcbench.profile.parts import Part, ends
from qdcbench.seeds import array_stream

__all__ = [
    "Copies", "Hardest", "Lengths", "Pair", "Place", "Pool", "Region", "copies", "hardest", "lengths", "nearest_pairs",
    "pooled", "projected", "regions",
]  # fmt: skip

Vectors = npt.NDArray[np.float32]

_COMPARED = 12_000
"""Rows of all parts together that are compared with each other: 144 million pairs take seconds."""

_BLOCK = 1_000
_MOST_REGIONS = 24
_ROWS_A_REGION = 20
_HARDNESS = (
    "gold_share", "fail_rate", "rank_strength", "judged_complexity", "rated_complexity", "answer_nll",
    "steps:completion", "completion_words",
)  # fmt: skip
"""Measures of single rows that say what is hard, the surest first."""


@dataclass(frozen=True, slots=True)
class Place:
    """A row by its part's number and its own in the part."""

    part: int
    row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Rows drawn alike from all parts: where each is from, and its unit vector (m, d).

    ``parts`` are the groups where there are groups, else the files.
    """

    parts: tuple[Part, ...]
    places: tuple[Place, ...]
    vectors: Vectors
    encoder: str

    def prompt(self, number: int) -> str:
        """Return a row's prompt."""
        place = self.places[number]
        return self.parts[place.part].rows.prompts[place.row]

    def owners(self) -> IntArray:
        """Return the part of each row, (m,)."""
        return np.asarray([place.part for place in self.places], dtype=np.int64)


def pooled(profiles: Profiles) -> Pool:
    """Return the same number of rows of each part, all that it has where it has fewer."""
    parts = ends([profile.part for profile in profiles.each])
    share = max(1, _COMPARED // len(parts))
    encoder = profiles.request.encoder
    places, vectors = list[Place](), list[Vectors]()
    for number, part in enumerate(parts):
        stream = array_stream(profiles.request.seed, "page", {"part": part.label})
        chosen = np.sort(stream.permutation(len(part.rows))[:share])
        places += [Place(number, row) for row in chosen.tolist()]
        vectors.append(part.rows.take(chosen).embeddings(encoder))
    return Pool(parts=tuple(parts), places=tuple(places), vectors=np.concatenate(vectors), encoder=encoder)


def projected(vectors: Vectors) -> tuple[FloatArray, tuple[float, float]]:
    """Return unit vectors (m, d) on their first two principal axes, (m, 2), and the share of the variance of each."""
    middle = vectors.mean(axis=0, dtype=np.float64)
    spread = vectors.astype(np.float64) - middle
    values, axes = np.linalg.eigh(spread.T @ spread)
    total = float(values.sum())
    if total <= 0:
        return np.zeros((len(vectors), 2)), (0.0, 0.0)
    two = axes[:, [-1, -2]]
    # An axis has no direction of its own: its largest entry points up.
    two = two * np.sign(two[np.abs(two).argmax(axis=0), [0, 1]])
    return spread @ two, (float(values[-1]) / total, float(values[-2]) / total)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows of a pool with different prompts, and their cosine."""

    cosine: float
    first: int
    second: int


def nearest_pairs(pool: Pool, most: int) -> list[Pair]:
    """Return the pairs of different prompts with the largest cosines; no row stands in more than one."""
    numbers = {text: i for i, text in enumerate(sorted({pool.prompt(i) for i in range(len(pool.places))}))}
    same = np.asarray([numbers[pool.prompt(i)] for i in range(len(pool.places))])
    _, first = np.unique(same, return_index=True)
    vectors = pool.vectors[first]
    kept = 8 * most
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        cosines[np.arange(len(vectors)) <= start + np.arange(len(cosines))[:, None]] = -np.inf
        flat = cosines.ravel()
        top = np.argpartition(flat, max(0, len(flat) - kept))[-kept:]
        rows, columns = np.divmod(top, len(vectors))
        found += zip(flat[top].tolist(), first[start + rows].tolist(), first[columns].tolist(), strict=True)
        found = sorted((pair for pair in found if pair[0] > -np.inf), key=lambda p: (-p[0], p[1], p[2]))[:kept]
    return list(_apart(found))[:most]


def _apart(found: Sequence[tuple[float, int, int]]) -> Iterator[Pair]:
    used: set[int] = set()
    for cosine, first, second in found:
        if not {first, second} & used:
            used |= {first, second}
            yield Pair(min(1.0, cosine), first, second)


@dataclass(frozen=True, kw_only=True, slots=True)
class Copies:
    """A prompt that stands in several rows, and in how many of each part, (parts,)."""

    prompt: str
    counts: tuple[int, ...]


def copies(parts: Sequence[Part], most: int) -> tuple[list[Copies], int]:
    """Return the prompts that most drawn rows share, and how many prompts several rows share."""
    counts = [Counter(part.rows.prompts) for part in parts]
    totals: Counter[str] = Counter()
    for count in counts:
        totals.update(count)
    repeated = sorted(((n, text) for text, n in totals.items() if n > 1), key=lambda item: (-item[0], item[1]))
    shown = [Copies(prompt=text, counts=tuple(count[text] for count in counts)) for _, text in repeated[:most]]
    return shown, len(repeated)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardest:
    """The rows of each part that a measure of single rows calls hardest, with its values, the hardest first."""

    measure: str
    summary: str
    rows: tuple[tuple[float, Place], ...]


def hardest(pool: Pool, most: int) -> list[Hardest]:
    """Return rows that miss their reference answer, if any do, and the hardest by the surest measure taken."""
    table = table_of((pool.encoder,))
    found: list[Hardest] = []
    each = max(3, most // len(pool.parts))
    for name in _HARDNESS:
        listed = _hardest_by(table[name], pool, each) if name in table else ()
        if listed:
            found.append(Hardest(measure=name, summary=table[name].metric.summary, rows=listed))
        if listed and name != "gold_share":
            break
    return found


def _hardest_by(measure: MeasureRow, pool: Pool, most: int) -> tuple[tuple[float, Place], ...]:
    low_is_hard = measure.card.axis == "quality"
    found: list[tuple[float, Place]] = []
    for number, part in enumerate(pool.parts):
        try:
            values = measure.each(part.rows) if measure.each is not None else np.zeros(0)
        except Unmeasurable:
            continue
        known = np.flatnonzero(values < 1.0 if low_is_hard else ~np.isnan(values))
        order = known[np.argsort(values[known] if low_is_hard else -values[known], kind="stable")][:most]
        found += [(float(values[row]), Place(number, int(row))) for row in order]
    return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A cluster of the pooled or reference prompts: each part's share of its rows in it, and rows near its centre."""

    shares: tuple[float, ...]
    examples: tuple[int, ...]


def regions(pool: Pool, profiles: Profiles) -> list[Region]:
    """Return the clusters, the one first that some part leaves emptiest beside the others.

    They are fitted on the reference where one was named, else on the pool.
    """
    fit_on = pool.vectors
    if profiles.request.reference and profiles.around.reference is not None:
        fit_on = profiles.around.reference.embeddings(pool.encoder)
    k = min(_MOST_REGIONS, len(np.unique(fit_on, axis=0)) // _ROWS_A_REGION)
    if k < 2:
        return []
    try:
        clusters = fitted(fit_on, k)
    except Unmeasurable:  # vectors that differ by rounding alone are one place
        return []
    labels, owners = clusters.of(pool.vectors), pool.owners()
    sizes = np.bincount(owners, minlength=len(pool.parts))
    found = []
    for number, centre in enumerate(clusters.centres):  # fewer than k where vectors are nearly equal
        inside = np.flatnonzero(labels == number)
        counts = np.bincount(owners[inside], minlength=len(pool.parts))
        near = inside[np.argsort(-(pool.vectors[inside] @ centre), kind="stable")]
        found.append(
            Region(shares=tuple((counts / sizes).tolist()), examples=tuple(_different(pool, near.tolist(), 4)))
        )  # fmt: skip
    return sorted((region for region in found if region.examples), key=_emptiness)


def _different(pool: Pool, near: Sequence[int], most: int) -> list[int]:
    texts = dict[str, int]()
    for number in near:
        texts.setdefault(pool.prompt(number), number)
        if len(texts) == most:
            break
    return list(texts.values())


def _emptiness(region: Region) -> tuple[float, float]:
    """Sort key: the largest gap between two parts first; of a single part the smallest share."""
    if len(region.shares) == 1:
        return (region.shares[0], 0.0)
    return (-(max(region.shares) - min(region.shares)), sum(region.shares))


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """Share of each part's texts by number of words: ``edges`` (b + 1,) are log(1 + words), ``shares`` (parts, b)."""

    edges: FloatArray
    shares: Mapping[int, FloatArray]
    medians: tuple[float, ...]


def lengths(parts: Sequence[Part], side: Side, bins: int = 36) -> Lengths:
    """Return how long the texts of one side are, prompt or completion, in bins of equal width in log(1 + words)."""
    words = [part.rows.words(side) for part in parts]
    top = max(float(w.max()) for w in words)
    edges = np.linspace(0.0, max(top, 1.0) * (1 + 1e-9), bins + 1)
    shares = {i: np.histogram(w, bins=edges)[0] / len(w) for i, w in enumerate(words)}
    return Lengths(edges=edges, shares=shares, medians=tuple(float(np.expm1(np.median(w))) for w in words))
