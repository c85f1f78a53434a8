"""Measures of exact structure against a package's entropies and plain counts, and that copies leave them alone."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from qdcbench.measures.diversity.structure import measures
from qdcbench.measures.known import Around, Known
from qdcbench.measures.rows import Rows
from qdcbench.records import Structure

CHAINS = st.lists(st.lists(st.sampled_from("abcd"), min_size=2, max_size=5), min_size=1, max_size=20)
WHOLES = {row.name: row.whole for row in measures() if row.whole}
EXACT = ("pair_coverage", "pair_entropy", "effective_pairs", "operations_seen", "effective_operations")


def rows_of(chains: list[list[str]]) -> Rows:
    structures = tuple(
        Structure(depth=len(chain), parts=tuple(chain), pairs=tuple(f"{a}>{b}" for a, b in pairwise(chain)))
        for chain in chains
    )
    n = len(chains)
    return Rows(
        prompts=("p",) * n, completions=("c",) * n, known=Known(structure=structures), around=Around(pair_universe=16)
    )


@given(CHAINS)
@settings(deadline=None)
def test_entropies_and_counts(chains: list[list[str]]) -> None:
    found = {name: WHOLES[name](rows_of(chains)) for name in EXACT}
    pairs = Counter(pair for chain in chains for pair in pairwise(chain))
    single = Counter(part for chain in chains for part in chain)
    assert found["pair_coverage"] == len(pairs) / 16
    assert found["pair_entropy"] == pytest.approx(entropy(list(pairs.values())), abs=1e-12)
    assert found["effective_pairs"] == pytest.approx(math.exp(entropy(list(pairs.values()))))
    assert found["operations_seen"] == len(single)
    assert found["effective_operations"] == pytest.approx(math.exp(entropy(list(single.values()))))


@given(CHAINS)
@settings(deadline=None)
def test_copies_of_the_whole_set_change_nothing(chains: list[list[str]]) -> None:
    rows = rows_of(chains)
    twice = rows.take(np.tile(np.arange(len(chains)), 2))
    for name in EXACT:
        assert WHOLES[name](twice) == pytest.approx(WHOLES[name](rows), abs=1e-12), name
