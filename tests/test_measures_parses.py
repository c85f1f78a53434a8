"""Parses by a small pipeline trained here: pairs, depths, broken texts, and sentences where something is missing."""

import importlib
import random
from pathlib import Path
from typing import Any

import pytest

from qdcbench.errors import ConfigError
from qdcbench.measures import Rows
from qdcbench.measures.diversity.verbs import verb_noun_entropy
from qdcbench.measures.known import Known
from qdcbench.measures.table import METRICS
from qdcbench.scorers.parses import parses

spacy = pytest.importorskip("spacy")

VERBS, NOUNS, ADJECTIVES = ("write", "sort", "read", "draw"), ("story", "list", "letter", "map"), ("short", "old")
PATTERNS: tuple[tuple[str, tuple[int, ...], tuple[str, ...]], ...] = (
    ("{v} the {a} {n} .", (0, 3, 3, 0, 0), ("ROOT", "det", "amod", "dobj", "punct")),
    (
        "{v} the {n} of the {a} list .",
        (0, 2, 0, 2, 6, 6, 3, 0),
        ("ROOT", "det", "dobj", "prep", "det", "amod", "pobj", "punct"),
    ),
    ("the {n} is {a} .", (1, 2, 2, 2, 2), ("det", "nsubj", "ROOT", "acomp", "punct")),
)
SMALL = {"width": 32, "attrs": ["NORM", "SUFFIX"], "rows": [200, 100], "include_static_vectors": False}
LAYERS = {"width": 32, "depth": 2, "window_size": 1, "maxout_pieces": 2}
SHARED = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {"@architectures": "spacy.MultiHashEmbed.v2", **SMALL},
    "encode": {"@architectures": "spacy.MaxoutWindowEncoder.v2", **LAYERS},
}
PARSER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "parser",
    "extra_state_tokens": False,
    "hidden_width": 32,
    "maxout_pieces": 2,
    "use_upper": True,
    "nO": None,
    "tok2vec": SHARED,
}


def trained() -> Any:
    training = importlib.import_module("spacy.training")
    importlib.import_module("spacy.util").fix_random_seed(0)
    pipeline = spacy.blank("en")
    pipeline.add_pipe("parser", config={"model": PARSER})
    examples = [
        training.Example.from_dict(
            pipeline.make_doc(pattern.format(v=v, n=n, a=a)), {"heads": list(heads), "deps": list(labels)}
        )
        for pattern, heads, labels in PATTERNS
        for v in VERBS
        for n in NOUNS
        for a in ADJECTIVES
    ]
    pipeline.initialize(lambda: examples)
    optimizer, rng = pipeline.create_optimizer(), random.Random(0)
    for _ in range(12):
        rng.shuffle(examples)
        for start in range(0, len(examples), 16):
            pipeline.update(examples[start : start + 16], sgd=optimizer)
    return pipeline


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("pipeline")
    trained().to_disk(place)
    return str(place)


def test_pairs_and_depths_by_hand(folder: str) -> None:
    found = parses(["Draw the old map .", "the map is short .", "write the story of the old list .", ""], folder)
    assert found.verb_noun == ("draw map", None, "write story", None)
    # draw > map > old; is > map > the; write > story > of > list > old; a full stop is no word.
    assert found.parse_depth == (3.0, 3.0, 5.0, None)
    assert found.cut == 0


def test_values_depend_on_the_text_alone(folder: str) -> None:
    texts = ["sort the short letter .", "the list is old .", "read the map of the short list ."]
    one = parses(texts, folder)
    more = parses([*texts[::-1], *texts, "draw the old story ."], folder)
    assert more.verb_noun[:3] == one.verb_noun[::-1]
    assert more.verb_noun[3:6] == one.verb_noun
    assert more.parse_depth[3:6] == one.parse_depth


def test_broken_and_long_texts_are_read(folder: str) -> None:
    found = parses(["half \ud800 a pair", "nul \x00 byte", " \n ", "draw the old map . " * 1000], folder)
    assert found.cut == 1
    assert found.parse_depth[2] is None
    assert found.parse_depth[3] is not None
    assert found.verb_noun[3] is not None


def test_columns_feed_the_measures(folder: str) -> None:
    texts = ("draw the old map .", "draw the old map .", "sort the short list .", "the map is short .")
    columns = parses(texts, folder)
    known = Known(verb_noun=columns.verb_noun, parse_depth=columns.parse_depth)
    rows = Rows(prompts=texts, completions=texts, known=known)
    assert verb_noun_entropy(rows) == pytest.approx(0.6365, abs=1e-4)  # of 2/3 and 1/3
    each = METRICS["parse_depth"].each
    assert each is not None
    assert each(rows).tolist() == [3.0] * 4


def test_what_is_missing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no spaCy pipeline 'no_such_pipeline'"):
        parses(["a"], "no_such_pipeline")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ConfigError, match="has no parser"):
        parses(["a"], str(tmp_path / "blank"))
    monkeypatch.setitem(importlib.import_module("sys").modules, "spacy", None)
    with pytest.raises(ConfigError, match=r"qdcbench\[syntax\]"):
        parses(["a"], "en_core_web_sm")
