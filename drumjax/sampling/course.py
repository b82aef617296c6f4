"""Courses: what is asked for in each bar of a piece, where that changes: fills, sections, a crescendo."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from drumjax.config.conditions import CONDITIONS, NAMES
from drumjax.config.controls import Controls, read_crescendo
from drumjax.config.form import Section, find_fills, parse_form
from drumjax.music.notes import FILL_YES, Array, Context
from drumjax.sampling.piece import Piece

# Courses are padded to so many bars, so that another length seldom compiles anew.
BUCKET_BARS = 64
# Notes a beat in fills of intensity 0, and how many times as many at 1.
FILL_DENSITY, FILL_RANGE = 3.5, 2.5


class Course(NamedTuple):
    """Fields of Context by bar, [P] of a piece or [B, P]: bar b has those at b % P."""

    fill: Array
    density: Array
    dynamics: Array
    steadiness: Array
    backbeat: Array
    timekeeper: Array


def course_of(piece: Piece, context: Context) -> Course:
    """The course of a piece [P], a period of it where notes are counted. context is what all of it is played in."""
    controls = piece.controls
    num_bars = max(1, controls.fill) if controls.num_notes else piece.model_bars
    usual = [np.asarray(getattr(context, name)) for name in Course._fields]
    rows = Course(*(np.full(num_bars, value) for value in usual))
    sections = [section for section in _sections(controls) for _ in range(section.bars)]
    fills = set(find_fills(max(num_bars, controls.bars), controls.fill, controls.fill_bars, controls.form))
    for bar in range(num_bars):
        last = max(0, -int(-(bar + 1) // piece.pace) - 1)  # of the bars that are written
        if sections:
            section = sections[min(last, len(sections) - 1)]
            _enter(rows, bar, section, piece)
            if bar and section is not sections[max(last - 1, 0)]:  # it need not be like the bar before
                rows.steadiness[bar] = 0
        if controls.crescendo:
            low, high = read_crescendo(controls.crescendo)
            rows.dynamics[bar] = low + (high - low) * min(last / max(controls.bars - 1, 1), 1)
        if last in fills:
            rows.fill[bar] = FILL_YES
        if rows.fill[bar] == FILL_YES:
            _fill(rows, bar, controls)
    return rows


def join_courses(courses: Sequence[Course]) -> Course:
    """Courses [P] of a batch of pieces as one [B, P]. A shorter one is repeated."""
    most = max(len(course.fill) for course in courses)
    size = -(-BUCKET_BARS // most) * most if most < BUCKET_BARS else 1 << (most - 1).bit_length()
    repeated = [[np.resize(column, size) for column in course] for course in courses]
    return Course(*map(np.stack, zip(*repeated, strict=True)))


def at_bar(course: Course, context: Context, bar: Array) -> Context:
    """The context of samples [B] that are in these bars [B] of their courses."""
    index = (bar % course.fill.shape[1])[:, None]
    return context._replace(
        **{name: jnp.take_along_axis(jnp.asarray(rows), index, axis=1)[:, 0] for name, rows in course._asdict().items()}
    )


def _sections(controls: Controls) -> list[Section]:
    return parse_form(controls.form) if controls.form else []


def _enter(rows: Course, bar: int, section: Section, piece: Piece) -> None:
    """What a section asks for, in a bar of it."""
    kind, asked = section.kind, section.asked
    density = rows.density[bar] or CONDITIONS["density"].usual
    dynamics = rows.dynamics[bar] or CONDITIONS["dynamics"].usual
    rows.density[bar] = asked["density"] / piece.pace if "density" in asked else density * kind.density
    rows.dynamics[bar] = asked.get("dynamics", np.clip(dynamics + kind.dynamics, 1, 127))
    if "timekeeper" in asked:
        rows.timekeeper[bar] = 1 + NAMES["timekeeper"].index(asked["timekeeper"])


def _fill(rows: Course, bar: int, controls: Controls) -> None:
    """What is asked of the beat speaks of no fill: it has its own density, and neither a backbeat nor to be like the
    bar before."""
    intensity = controls.fill_intensity
    rows.density[bar] = 0 if intensity is None else FILL_DENSITY * FILL_RANGE**intensity
    rows.steadiness[bar] = rows.backbeat[bar] = 0
