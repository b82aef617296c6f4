"""What is asked for bar by bar."""

import dataclasses

import numpy as np
import pytest
from tiny import STYLES

from drumjax.config.controls import Controls
from drumjax.music.notes import FILL_NO, FILL_YES, Context
from drumjax.sampling.course import BUCKET_BARS, Course, at_bar, course_of, join_courses
from drumjax.sampling.piece import Piece


def make_course(**asked) -> Course:
    piece = Piece(Controls(**asked))
    return course_of(piece, piece.context(STYLES))


def test_a_steady_piece_is_as_its_context_says():
    course = make_course(bars=3, density=4.0, dynamics=60.0, steadiness=0.5, backbeat=1.0, timekeeper="ride")
    for column, value in zip(course, (FILL_NO, 4.0, 60.0, 0.5, 1.0, 2), strict=True):
        np.testing.assert_allclose(column, [value] * 3)


def test_fills_come_at_the_end_of_every_so_many_bars():
    assert (make_course(bars=8, fill=4).fill == FILL_YES).tolist() == 2 * [False, False, False, True]
    assert (make_course(bars=8, fill=4, fill_bars=2).fill == FILL_YES).tolist() == 2 * [False, False, True, True]
    assert (make_course(bars=4, fill=1).fill == FILL_YES).all()


def test_what_is_asked_of_the_beat_is_not_asked_of_its_fills():
    course = make_course(bars=2, fill=2, density=6.0, steadiness=0.7, backbeat=1.0, dynamics=70.0)
    assert course.density.tolist() == [6, 0]
    assert course.steadiness.tolist() == pytest.approx([0.7, 0])
    assert course.backbeat.tolist() == [1, 0]
    assert course.dynamics.tolist() == [70, 70]
    calm, busy = (make_course(bars=2, fill=2, fill_intensity=x).density[1] for x in (0.0, 1.0))
    assert 0 < calm < busy


def test_a_crescendo_goes_from_the_first_bar_to_the_last():
    assert make_course(bars=4, crescendo="40-100").dynamics.tolist() == [40, 60, 80, 100]
    assert make_course(bars=2, crescendo="100-40").dynamics.tolist() == [100, 40]
    assert make_course(bars=1, crescendo="40-100").dynamics.tolist() == [40]


def test_sections_follow_each_other():
    form = "intro:1,verse:1:density=3:timekeeper=ride,fill:1,chorus:1:dynamics=100"
    course = make_course(bars=4, form=form, density=5.0, dynamics=60.0, timekeeper="hi-hat")
    assert course.fill.tolist() == [FILL_NO, FILL_NO, FILL_YES, FILL_NO]
    assert course.density.tolist() == pytest.approx([3.25, 3, 0, 7])
    assert course.dynamics.tolist() == [48, 60, 60, 100]
    assert course.timekeeper.tolist() == [1, 2, 1, 1]


def test_in_half_time_a_bar_of_the_model_is_two_that_are_written():
    piece = Piece(Controls(bars=8, bpm=140.0, half_time=True, fill=4, density=3.0))
    context = piece.context(STYLES)
    course = course_of(piece, context)
    assert (piece.model_bars, piece.beats, context.tempo_bpm) == (4, 16, 70)
    assert course.density[0] == 6  # as many a bar that is written, so twice as many of the model's beats
    assert (course.fill == FILL_YES).tolist() == [False, True, False, True]
    double = Piece(dataclasses.replace(piece.controls, half_time=False, double_time=True, bars=3))
    assert (double.model_bars, double.context(STYLES).tempo_bpm) == (6, 280)
    assert Piece(Controls(bars=3, half_time=True)).model_bars == 2


def test_courses_of_a_batch_are_padded_and_found_by_bar():
    short, long = make_course(bars=2, crescendo="40-100"), make_course(bars=3, density=2.0)
    joined = join_courses([short, long, short])
    assert joined.fill.shape[0] == 3
    assert joined.fill.shape[1] >= BUCKET_BARS
    there = at_bar(joined, Context(), np.asarray([1, 2, 0]))
    assert np.asarray(there.dynamics).tolist() == [100, 0, 40]
    assert np.asarray(there.density).tolist() == [0, 2, 0]


def test_where_notes_are_counted_the_fills_never_end():
    piece = Piece(Controls(num_notes=500, fill=3))
    joined = join_courses([course_of(piece, piece.context(STYLES))])
    bars = np.arange(1000)
    fills = [int(np.asarray(at_bar(joined, Context(), np.asarray([bar])).fill)[0]) == FILL_YES for bar in bars[:300]]
    assert fills == [bar % 3 == 2 for bar in bars[:300].tolist()]
    assert make_course(bars=200, fill=3).fill.shape == (200,)
