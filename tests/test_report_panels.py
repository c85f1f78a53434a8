import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.report.panels import panels_for


def size(names):
    return tuple(panels_for(names, height=3.0, extra=0.5).figure.get_size_inches())


def test_few_names_are_two_panels_a_row():
    assert size([5]) == pytest.approx((3.5, 3.5))
    assert size([5, 13]) == pytest.approx((7.0, 3.5))
    assert size([5, 13, 2]) == pytest.approx((7.0, 6.5))


def test_many_names_take_the_page_from_side_to_side_and_each_panel_the_height_it_needs():
    panels = panels_for([37, 5], height=3.0, extra=0.5)
    panels.figure.draw_without_rendering()
    boxes = [axes.get_position() for axes in panels.axes]
    assert all(box.width > 0.8 for box in boxes) and boxes[0].height > 1.3 * boxes[1].height
    assert panels.letters > panels_for([5, 5], height=3.0, extra=0.5).letters


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_there_is_one_panel_each_and_more_names_never_make_a_smaller_figure(names):
    panels = panels_for(names, height=3.0, extra=0.5)
    assert len(panels.axes) == len(panels.figure.axes) == len(names)
    more = [name + 5 for name in names]
    assert all(a <= b for a, b in zip(size(names), size(more), strict=True))


def test_nothing_to_draw_is_an_empty_figure():
    assert panels_for([], height=3.0, extra=0.5).axes == ()
