import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from qdcbench.report.placement import Box, Mark, label_marks, place

FRAME = Box(0.0, 0.0, 400.0, 400.0)
places = st.tuples(st.floats(60, 340), st.floats(60, 340))


@settings(deadline=None, max_examples=10)
@given(st.lists(places, min_size=1, max_size=14))
def test_names_never_overlap_and_stay_inside(anchors):
    dots = np.array([(x, y, 3.0) for x, y in anchors])
    boxes = place(anchors, [(45.0, 7.0)] * len(anchors), dots, FRAME)
    for i, box in enumerate(boxes):
        assert box.outside(FRAME) == 0
        assert all(box.overlap(other) == 0 for other in boxes[i + 1 :])


def test_names_at_one_point_spread():
    boxes = place([(200.0, 200.0)] * 10, [(60.0, 7.0)] * 10, np.array([(200.0, 200.0, 4.0)]), FRAME)
    assert all(a.overlap(b) == 0 for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_a_lone_name_is_next_to_its_mark():
    (box,) = place([(200.0, 200.0)], [(50.0, 7.0)], np.array([(200.0, 200.0, 3.0)]), FRAME)
    assert box.overlap(Box(197, 197, 203, 203)) == 0
    assert min(abs(box.left - 200), abs(box.bottom - 200)) < 12


def test_same_input_same_places():
    rng = np.random.default_rng(0)
    anchors = [tuple(p) for p in rng.uniform(50, 350, (12, 2)).tolist()]
    dots = np.column_stack([anchors, np.full(12, 3.0)])
    sizes = [(50.0, 7.0)] * 12
    assert place(anchors, sizes, dots, FRAME) == place(anchors, sizes, dots, FRAME)


def test_a_leader_starts_at_the_edge_of_its_name_and_ends_at_its_mark():
    figure = Figure(figsize=(4, 3), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 10), ylim=(0, 10))
    marks = [Mark(5.0, 5.0 + 0.01 * i, f"a long name {i}") for i in range(6)]
    dots = np.array([(mark.x, mark.y, 3.0) for mark in marks])
    boxes = label_marks(axes, marks, dots)
    figure.draw_without_rendering()
    for note, box, mark in zip(axes.texts, boxes, marks, strict=True):
        leader = note.arrow_patch.get_path().transformed(note.arrow_patch.get_transform()).vertices * 72 / figure.dpi
        x, y = leader[0]
        assert min(abs(x - box.left), abs(x - box.right), abs(y - box.bottom), abs(y - box.top)) < 0.1
        assert box.left - 0.1 <= x <= box.right + 0.1 and box.bottom - 0.1 <= y <= box.top + 0.1
        end = axes.transData.transform((mark.x, mark.y)) * 72 / figure.dpi
        assert np.hypot(*(leader[-1] - end)) < 1.5
