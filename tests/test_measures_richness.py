"""MTLD by hand, against a plain second reading, and its properties; verbs and nouns by counting."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.measures import Rows, Unmeasurable
from qdcbench.measures.diversity.richness import mtld
from qdcbench.measures.diversity.verbs import top_verbs_share, verb_noun_entropy
from qdcbench.measures.known import Known


def rows_of(prompts: list[str]) -> Rows:
    return Rows(prompts=tuple(prompts), completions=("",) * len(prompts))


def factors_plainly(words: list[str]) -> float:
    """Cut off one factor after the other; the ratio is taken anew for every prefix."""
    if not words:
        return 0.0
    for end in range(1, len(words) + 1):
        ratio = len(set(words[:end])) / end
        if ratio <= 0.72:
            return 1 + factors_plainly(words[end:])
    return (1 - ratio) / 0.28


def test_one_row_by_hand() -> None:
    # Forwards "a b a" comes down to 2/3 and "c d c" too: two factors, and "e" is no part of a third.
    # Backwards "e c d c a b a": 3/4 at the fourth word, then 4/5 and 5/6, 5/7 = .714 at the last: one factor.
    assert mtld(rows_of(["a b a c d c e"])) == pytest.approx(7 * (1 / 2 + 1 / 1) / 2)
    # Forwards as before and then "e f e f g": 2/3 at its third word, "f g" is no part; backwards "g f e f" is 3/4,
    # "g f e f e" 3/5, a factor; "c d c" and "a b a" are two more.
    assert mtld(rows_of(["a b a c d c e f e f g"])) == pytest.approx(11 * (1 / 3 + 1 / 3) / 2)
    # The rest counts in part: "a b c a" has come down to 3/4, .25 of .28, and so has "a c b a".
    assert mtld(rows_of(["a b c a"])) == pytest.approx(4 / (0.25 / 0.28))


def test_words_that_never_repeat_are_one_factor() -> None:
    assert mtld(rows_of(["a b c d"])) == 4.0
    assert mtld(rows_of(["One, one! ONE?"])) == pytest.approx(3 * (1 / (1 + 0.0) + 1 / 1) / 2)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=80))
def test_one_row_equals_a_plain_second_reading(words: list[str]) -> None:
    wanted = [len(words) / (factors_plainly(order) or 1.0) for order in (words, words[::-1])]
    assert mtld(rows_of([" ".join(words)])) == pytest.approx(sum(wanted) / 2)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a b", "b c d", "", "e", "a a a"]), min_size=1, max_size=20).filter(any), st.randoms())
def test_order_of_rows_does_not_matter(prompts: list[str], rng: random.Random) -> None:
    assert mtld(rows_of(rng.sample(prompts, len(prompts)))) == mtld(rows_of(prompts))


def test_rows_that_begin_alike_do_not_stand_together() -> None:
    rng = random.Random(1)
    # Each row names one of 50 things over and over: sorted, whole stretches would hold two words.
    prompts = [f"thing{k % 50} thing{rng.randrange(50)}" for k in range(2000)]
    spread = mtld(rows_of(prompts))
    assert spread == pytest.approx(mtld(rows_of([" ".join(rng.sample(prompts, 2000))])), rel=0.05)
    assert spread > 1.5 * mtld(rows_of([" ".join(sorted(prompts))]))


def test_more_words_mean_more_richness_and_more_rows_do_not() -> None:
    def drawn(words: int, n: int) -> float:
        rng = random.Random(0)
        return mtld(rows_of([" ".join(f"w{rng.randrange(words)}" for _ in range(12)) for _ in range(n)]))

    assert drawn(20, 500) < drawn(40, 500) < drawn(200, 500)
    assert drawn(40, 2000) == pytest.approx(drawn(40, 500), rel=0.05)


def test_rows_without_words_are_refused() -> None:
    with pytest.raises(Unmeasurable, match="no prompt has a word"):
        mtld(rows_of(["", "!?"]))


def known(pairs: list[str | None]) -> Rows:
    texts = ("x",) * len(pairs)
    return Rows(prompts=texts, completions=texts, known=Known(verb_noun=tuple(pairs)))


def test_verbs_and_nouns_by_hand() -> None:
    rows = known(["write story", "write story", "write list", "sort list", None])
    assert verb_noun_entropy(rows) == pytest.approx(0.5 * math.log(2) + 2 * 0.25 * math.log(4))
    assert top_verbs_share(rows) == 1.0
    assert verb_noun_entropy(known(["write story"] * 3)) == 0.0
    many = known([f"verb{i} thing" for i in range(30)] + ["verb0 other"] * 9 + [None])
    assert top_verbs_share(many) == pytest.approx((10 + 19) / 39)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a b", "a c", "d b", None]), min_size=1, max_size=20).filter(any), st.integers(2, 4))
def test_copying_the_whole_set_changes_no_spread(pairs: list[str | None], copies: int) -> None:
    for measure in (verb_noun_entropy, top_verbs_share):
        assert measure(known(pairs * copies)) == pytest.approx(measure(known(pairs)))


def test_rows_without_a_pair_are_refused() -> None:
    for measure in (verb_noun_entropy, top_verbs_share):
        with pytest.raises(Unmeasurable, match="main verb with an object"):
            measure(known([None, None]))
        with pytest.raises(Unmeasurable, match="no parser"):
            measure(rows_of(["a"]))
