"""Every plugin passes the checks that ``qdcbench check`` runs."""

import pytest

from qdcbench.registry import discover
from qdcbench.testing import check_method, check_task

REGISTRY = discover()
AT_LEAST = (12, 1)
"""Methods and tasks of the first edition; a new one needs no change here, and an empty discovery cannot pass."""


def test_discovery_found_what_there_is():
    assert (len(REGISTRY.methods) >= AT_LEAST[0], len(REGISTRY.tasks) >= AT_LEAST[1]) == (True, True)
    assert REGISTRY.broken == ()


@pytest.mark.parametrize("name", sorted(REGISTRY.methods))
def test_method(name):
    findings = check_method(REGISTRY.method(name), REGISTRY)
    assert len(findings) >= 3
    assert [f for f in findings if not f.holds] == []


@pytest.mark.parametrize("name", sorted(REGISTRY.tasks))
def test_task(name):
    assert [f for f in check_task(REGISTRY.task(name)) if not f.holds] == []
