"""The table of the validity study puts in brackets what is not beyond the noise, shares and per cents alike."""

import csv

from qdcbench.measures.behaviour import Behaviour, DialTruth, Response, Study, behaviour_table


def response(first: float, last: float, *, moved: bool) -> Response:
    return Response(
        means=(first, last), change=last - first, noise=1.0, effect=last - first, rank=1.0, share=0.5, moved=moved
    )


def test_changes_within_the_noise_stand_in_brackets() -> None:
    responses = {
        "quality": response(1.0, 9.0, moved=True),
        "filler": response(2.0, 3.0, moved=True),
        "n": response(2.0, 3.0, moved=False),
        "lists": response(0.0, 3.0, moved=False),
    }
    dials = tuple(DialTruth(name=name, axis="quality", summary="", labels=(), truth=()) for name in responses)
    found = Behaviour(measure="m", axis="quality", own="quality", responses=responses, twins={})
    study = Study(
        task="t", n=1, repetitions=2, root_seed=0, rule=(), dials=dials, measures=(found,), recommended={"quality": ()}
    )
    (row,) = csv.DictReader(behaviour_table(study).splitlines())
    assert (row["filler"], row["filler_percent"]) == ("+0.50", "+50.0")
    assert (row["n"], row["n_percent"]) == ("(+0.50)", "(+50.0)")
    assert row["lists_percent"] == ""
