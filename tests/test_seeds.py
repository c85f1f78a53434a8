import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.seeds import array_stream, seed_for, stream

AXES = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=4)


@given(st.integers(0, 2**40), st.text(max_size=10), AXES)
def test_a_seed_depends_only_on_its_arguments(root, stage, axes):
    assert seed_for(root, stage, axes) == seed_for(root, stage, dict(reversed(list(axes.items()))))
    assert 0 <= seed_for(root, stage, axes) < 2**63


@given(AXES, AXES)
def test_different_axes_give_different_seeds(left, right):
    assert (seed_for(1, "s", left) == seed_for(1, "s", right)) == (left == right)


def test_names_that_join_to_the_same_text_do_not_collide():
    assert seed_for(1, "s", {"a": "b_c", "d": "e"}) != seed_for(1, "s", {"a": "b", "c_d": "e"})


def test_changing_one_stream_leaves_the_others_alone():
    before = [stream(5, stage, {"r": 0}).random() for stage in ("generate", "probe", "select")]
    stream(6, "probe", {"r": 0}).random()
    after = [stream(5, stage, {"r": 0}).random() for stage in ("generate", "probe", "select")]
    assert before == after
    assert len(set(before)) == 3


def test_global_generators_are_not_touched():
    random.seed(3)
    expected = random.random()
    random.seed(3)
    stream(1, "x", {}).random()
    array_stream(1, "x", {}).random()
    assert random.random() == expected


def test_array_stream_repeats():
    assert np.array_equal(array_stream(1, "x", {"a": 1}).random(5), array_stream(1, "x", {"a": 1}).random(5))
