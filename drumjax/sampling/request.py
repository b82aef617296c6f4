"""Requests: what is asked of the sampler, array by array, made of pieces and an edit; and what it gives back."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from drumjax.codecs.base import FREE, Codec
from drumjax.config.controls import MAX_DENSITY, Controls
from drumjax.music.notes import Array, Context
from drumjax.runs.run import Run
from drumjax.sampling.buckets import padded_length
from drumjax.sampling.course import Course, course_of, join_courses
from drumjax.sampling.edits import KEEP_ALL, Edit
from drumjax.sampling.piece import Piece, RequestError, find_unwanted

# Where notes are counted: so many steps more, of the notes, as rests may take.
SPARE_RESTS = 0.25


class Urge(NamedTuple):
    """How much each sample is urged to each drum.

    nats  [B, C] float32, what a chord with the drum gains while that is a hit or more behind its pace, and loses while
          it is as much ahead; in between in proportion. [B, 0] where no drum is ever urged
    pace  [B, C] float32, hits a tick
    """

    nats: Array
    pace: Array


class Request(NamedTuple):
    """What to sample. Every leaf is traced: none of them recompiles.

    number       [B] int32, the number of each sample, folded into the key
    context      Context [B]
    clamp        [B, T, F] int32, tokens given; the sampler chooses where they are FREE, and where they are ABSENT but
                 the fields before make the variable exist
    keep         [B, T] int32, what must stay of the codec's partial_field where it is given; the rest is chosen. -1 is
                 all of it, 0 nothing
    end          [B] int32, the tick at which each sample ends
    urge         Urge, to drums that would not take part
    course       Course [B], what is asked for in each bar in the place of what the context says
    unwanted     [C] bool, drums that are not played unless they are given; [0] where a step is a note
    hears        bool, whether velocity and timing hear the hits to come, where they are given; read on the host
    hidden       [fields] bool, whether earlier values of a field, chosen or given, are hidden from the model
    guidance     [fields] float32, >= 0: how far to go from what the model plays unconditioned (0) to what it plays as
                 asked (1) and beyond, where what was asked for is exaggerated
    temperature  [fields] float32, >= 0; 0 takes the most likely value
    opening_end  [B] int32, the tick up to which the first field is drawn at opening_temperature
    opening_temperature  float32, >= 0
    spread       float32, 0..1: how far expression strays from its median, 1 as the odds are, 0 not at all
    top_k        int32, keep only the k most likely values; 0 keeps all
    top_p        float32, in (0, 1]: keep the most likely values that together reach this probability
    no_repeat    int32, no run of so many values of the first field occurs twice in a sample; 0 allows all
    """

    number: Array
    context: Context
    clamp: Array
    keep: Array
    end: Array
    urge: Urge
    course: Course
    unwanted: Array
    hears: Array
    hidden: Array
    guidance: Array
    temperature: Array
    opening_end: Array
    opening_temperature: Array
    spread: Array
    top_k: Array
    top_p: Array
    no_repeat: Array


class Samples(NamedTuple):
    """tokens [B, T, F] int32, ABSENT from the end on; points [B, T, F] in [0, 1), where in its bin each value of
    expression was drawn; nll [B, fields], nats under the model, at temperature 1, of the tokens it chose."""

    tokens: Array
    points: Array
    nll: Array


def free_clamp(batch: int, num_steps: int, codec: Codec) -> np.ndarray:
    """The clamp that gives nothing: [B, T, F]."""
    return np.full((batch, num_steps, sum(field.count for field in codec.fields)), FREE, np.int32)


def make_request(
    run: Run,
    pieces: Sequence[Piece],
    number: Sequence[int],
    edit: Edit | None = None,
    urge: Urge | None = None,
) -> Request:
    """A request for the pieces [B], whose samples have these numbers [B]; free but for what the edit gives.

    How values are drawn, and which drums are left out, is as in the first piece: pieces asked for together differ in
    style, tempo, metre, bars, and what else the model is conditioned on.
    """
    codec, controls = run.codec, pieces[0].controls
    different = list({id(piece): piece for piece in pieces}.values())  # often it is one piece again and again
    number_of = {id(piece): i for i, piece in enumerate(different)}
    which = np.asarray([number_of[id(piece)] for piece in pieces])
    contexts = []
    for piece in different:
        if not codec.accepts(piece.beats_per_bar):
            raise RequestError(
                f"bars of {piece.controls.time_signature} do not fit the steps this model was trained on"
            )
        contexts.append(piece.context(run.styles, run.players))
    courses = join_courses([course_of(*pair) for pair in zip(different, contexts, strict=True)])
    end = [piece.end(codec, context) for piece, context in zip(different, contexts, strict=True)]
    num_steps = max(count_steps(codec, piece, edit) for piece in different)
    num_steps = padded_length(num_steps)
    clamp, keep = free_clamp(len(number), num_steps, codec), np.full((len(number), num_steps), KEEP_ALL, np.int32)
    if edit:
        clamp, keep = edit.rows(number, num_steps, clamp.shape[2])
    return Request(
        number=np.asarray(number, np.int32),
        context=jax.tree.map(lambda *column: np.stack(column)[which], *contexts),
        clamp=clamp,
        keep=keep,
        end=np.asarray(end, np.int32)[which],
        urge=urge or Urge(*np.zeros((2, len(number), codec.num_voices if edit and edit.wanted else 0), np.float32)),
        course=jax.tree.map(lambda rows: rows[which], courses),
        unwanted=find_unwanted(codec, controls),
        hears=np.asarray(edit is not None and edit.hears),
        hidden=np.asarray([edit is not None and field.name in edit.hidden for field in codec.fields]),
        guidance=np.asarray([controls.guidance if field.is_guided else 1 for field in codec.fields], np.float32),
        temperature=np.asarray([controls.temperature.get(field.name, 1) for field in codec.fields], np.float32),
        opening_end=np.asarray([_opening_end(codec, piece, edit) for piece in different], np.int32)[which],
        opening_temperature=np.asarray(_opening_temperature(codec, controls), np.float32),
        spread=np.asarray(controls.spread, np.float32),
        top_k=np.asarray(controls.top_k, np.int32),
        top_p=np.asarray(controls.top_p, np.float32),
        no_repeat=np.asarray(controls.no_repeat, np.int32),
    )


def _opening_end(codec: Codec, piece: Piece, edit: Edit | None) -> int:
    """The tick up to which a piece begins; what is worked on has begun already, unless it is gone on with."""
    if edit and edit.name != "continue":
        return 0
    return int(codec.to_ticks(Context(), piece.controls.opening_bars * piece.beats_per_bar))


def _opening_temperature(codec: Codec, controls: Controls) -> float:
    """That of the first field in the opening: never above what it is after it."""
    return min(controls.opening_temperature, controls.temperature.get(codec.fields[0].name, 1))


def count_steps(codec: Codec, piece: Piece, edit: Edit | None) -> int:
    """Steps that surely hold the piece."""
    num_notes = piece.controls.num_notes
    if not num_notes:
        return codec.num_steps(piece.beats, math.ceil(MAX_DENSITY * piece.beats))
    if codec.notes_per_step != 1:
        raise RequestError("num_notes is for models that play note by note; ask this one for bars")
    given = int((edit.clamp[:, 0] >= 0).sum()) if edit else 0
    return given + math.ceil(num_notes * (1 + SPARE_RESTS)) + 8
