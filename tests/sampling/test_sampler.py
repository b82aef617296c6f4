"""The sampler: every sample its own, given tokens kept, and odds as asked for."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import (
    CODEC,
    NUM_VARIABLES,
    make_bare_model,
    make_model,
    make_run,
    make_teacher,
    make_weights,
    random_tokens,
    zero_weights,
)

from drumjax.codecs.base import ABSENT, field_slices
from drumjax.config.control import ControlError
from drumjax.config.controls import Controls
from drumjax.models.conditioning import drop_controls
from drumjax.models.interface import Weights
from drumjax.models.model import Model
from drumjax.models.scoring import Example, score_tokens
from drumjax.music.notes import FILL_YES
from drumjax.sampling import drawing
from drumjax.sampling.decode import drop_given
from drumjax.sampling.piece import Piece
from drumjax.sampling.request import free_clamp, make_request
from drumjax.sampling.sampler import FREE, draw, make_sampler, needs
from drumjax.system.devices import loop_options


class Client(NamedTuple):
    platform_version: str


class PretendGPU(NamedTuple):
    platform: str
    client: Client


NUM_STEPS = 64  # eight bars; all requests below share one compiled sampler
BATCH = 4


@functools.cache
def weights():
    """Sharpened, so that the model has an opinion."""
    values, stats = make_weights(make_model(num_layers=1))
    return Weights(jax.tree.map(lambda p: 2 * p, values), stats)


def run_sampler(request, key=0, values=None, guided=False):
    """On the device where the samples of a job are made, so that one program serves the tests of both."""
    args = jax.device_put((values or weights(), jax.random.key(key), request), jax.devices()[0])
    return jax.tree.map(np.asarray, make_sampler(make_model(num_layers=1), CODEC, guided=guided)(*args))


def sample(key=0, clamp=None, number=range(BATCH), temperature=(1.0, 1.0, 1.0), **controls):
    """(tokens, nll), and the request."""
    by_field = dict(zip((field.name for field in CODEC.fields), temperature, strict=True))
    piece = Piece(Controls(**({"style": "rock", "temperature": by_field} | controls)))
    request = make_request(make_run(), [piece] * len(number), number)
    if clamp is not None:
        request = request._replace(clamp=clamp)
    return run_sampler(request, key), request


def teacher_logits(tokens, context):
    return [np.asarray(x) for x in make_teacher(make_model(num_layers=1))(weights(), tokens, context)]


def test_a_sample_is_the_same_whatever_its_place_and_neighbours():
    base, _ = sample()
    for number in ([3, 2, 1, 0], [0, 900, 2, 17], [5, 5, 0, 5]):
        other, _ = sample(number=number)
        for row, i in enumerate(number):
            if i < BATCH:
                np.testing.assert_array_equal(other.tokens[row], base.tokens[i])
                np.testing.assert_allclose(other.nll[row], base.nll[i], rtol=1e-6)
    assert len({tokens.tobytes() for tokens in base.tokens}) == BATCH


@pytest.mark.slow
def test_a_sample_is_the_same_on_one_device_and_on_four():
    base, request = sample()
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rows, whole = (jax.NamedSharding(mesh, jax.P(*axes)) for axes in (("data",), ()))
    split = jax.tree.map(lambda x: jax.device_put(x, rows if x.shape[:1] == (BATCH,) else whole), request)
    # Of another compiled program, made past the cache, so that counting compilations below stays simple.
    spread = make_sampler.__wrapped__(make_model(num_layers=1), CODEC)
    key, spread_weights = jax.device_put((jax.random.key(0), weights()), whole)
    samples = spread(spread_weights, key, split)
    assert len(samples.tokens.sharding.device_set) == 4
    np.testing.assert_array_equal(samples.tokens, base.tokens)


@pytest.mark.slow
def test_a_pointer_that_sees_no_further_than_the_piece_is_long_plays_the_same(monkeypatch):
    model = make_model(num_layers=1, pointer_beats=96)
    _, request = sample()
    args = weights(), jax.random.key(0), request
    assert model.within(NUM_STEPS).settings.pointer_beats == 32
    assert model.within(10**6) == model
    short = make_sampler(model, CODEC)(*args)
    monkeypatch.setattr(Model, "within", lambda self, num_steps: self)
    make_sampler.cache_clear()
    far = make_sampler(model, CODEC)(*args)
    np.testing.assert_array_equal(far.tokens, short.tokens)
    np.testing.assert_allclose(far.nll, short.nll, rtol=1e-6)
    np.testing.assert_allclose(far.points, short.points, atol=1e-5)
    make_sampler.cache_clear()


def test_keys_decide():
    np.testing.assert_array_equal(sample(key=3)[0].tokens, sample(key=3)[0].tokens)
    assert not np.array_equal(sample(key=3)[0].tokens, sample(key=4)[0].tokens)


def test_the_likelihood_of_a_sample_is_that_of_its_tokens_under_a_teacher():
    samples, request = sample(temperature=(0.7, 1.5, 1.0))  # the nll is at temperature 1 all the same
    check_likelihood(samples, teacher_logits(samples.tokens, request.context))


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_drums_that_hear_each_other_are_drawn_as_they_are_scored(guidance):
    model = make_bare_model(joint_units=4)
    _, request = sample()
    request = request._replace(guidance=np.full(3, guidance, np.float32))
    samples = jax.tree.map(
        np.asarray, make_sampler(model, CODEC, guided=guidance != 1)(make_weights(model), jax.random.key(0), request)
    )
    logits = make_teacher(model)(make_weights(model), samples.tokens, request.context)
    check_likelihood(samples, [np.asarray(x) for x in logits])
    is_hit = samples.tokens[..., field_slices(CODEC.fields)[1]] != ABSENT
    np.testing.assert_array_equal(is_hit, CODEC.voices(jnp.asarray(samples.tokens[..., 0])))


def test_drums_that_are_given_are_heard():
    """Of the first step, where nothing was played before: another velocity given to the first drum, other odds."""
    model = make_bare_model(joint_units=4)
    _, request = sample()
    clamp = np.full_like(request.clamp, FREE)
    clamp[..., 0] = 7
    nats = []
    for velocity in (0, 3):
        clamp[..., 1] = velocity
        samples = make_sampler(model, CODEC)(make_weights(model), jax.random.key(0), request._replace(clamp=clamp))
        assert np.all(np.asarray(samples.tokens)[:, :8, 1] == velocity)
        nats.append(np.asarray(samples.nll)[:, 1])
    assert np.all(np.abs(nats[0] - nats[1]) > 1e-3)


def test_a_sampler_that_hears_draws_as_the_teacher_that_hears():
    model = make_bare_model(joint_units=4, coming_beats=2)
    given = given_tokens()
    clamp = np.where(np.arange(given.shape[2]) == 0, given, FREE)
    _, request = sample()
    request = request._replace(clamp=clamp, hears=np.asarray(True))
    deaf, heard = (
        make_sampler(model, CODEC, hears=hears)(make_weights(model), jax.random.key(0), request)
        for hears in (False, True)
    )
    tokens, num = np.asarray(heard.tokens), NUM_STEPS
    place = jax.vmap(lambda c: CODEC.place(c, jnp.arange(num)))(request.context)
    example = Example(tokens, tokens, place, request.context, hears=np.ones(BATCH, bool))
    scores, *_ = jax.jit(lambda w: score_tokens(model, w, example, model.initial_carry(BATCH)))(make_weights(model))
    for i in (1, 2):
        np.testing.assert_allclose(heard.nll[:, i], scores[i].nll, rtol=1e-4)
        assert np.all(np.abs(heard.nll[:, i] - deaf.nll[:, i]) > 1e-3)


def test_drums_that_are_not_wanted_are_not_played_unless_they_are_given():
    _, request = sample()
    unwanted = np.asarray([False, True, False])
    tokens = run_sampler(request._replace(unwanted=unwanted)).tokens
    assert not np.any(hits_of(tokens) & 0b010)
    assert np.any(hits_of(tokens) & 0b101)
    given = given_tokens()
    clamp = np.where(np.arange(given.shape[2]) == 0, given, FREE)
    keep = np.full(clamp.shape[:2], ~0b001, np.int32)  # the kick is free
    tokens = run_sampler(request._replace(unwanted=unwanted, clamp=clamp, keep=keep)).tokens
    np.testing.assert_array_equal(hits_of(tokens) & 0b110, hits_of(given) & 0b110)


def check_likelihood(samples, logits):
    for i, where in enumerate(field_slices(CODEC.fields)):
        target = samples.tokens[..., where]
        log_p = np.take_along_axis(np.asarray(jax.nn.log_softmax(logits[i])), np.maximum(target, 0)[..., None], -1)
        nll = -np.where(target != ABSENT, log_p[..., 0], 0).sum((1, 2))
        np.testing.assert_allclose(samples.nll[:, i], nll, rtol=1e-4)


@pytest.mark.parametrize("controls", [{"temperature": (0.0, 0.0, 0.0)}, {"top_k": 1}, {"top_p": 1e-6}])
def test_the_most_likely_values_need_no_luck(controls):
    samples, request = sample(**controls)
    np.testing.assert_array_equal(samples.tokens, sample(key=9, **controls)[0].tokens)
    logits = teacher_logits(samples.tokens, request.context)
    for i, where in enumerate(field_slices(CODEC.fields)):
        target = samples.tokens[..., where]
        exists = target != ABSENT
        chosen = np.take_along_axis(logits[i], np.maximum(target, 0)[..., None], -1)[..., 0]
        # The teacher's arithmetic may differ in the last bits, so of two nearly equal values either will do.
        assert (logits[i].max(-1) - chosen)[exists].max() < 1e-4


def test_temperature_is_per_field():
    samples, request = sample(temperature=(1.0, 0.0, 5.0))
    best = teacher_logits(samples.tokens, request.context)[1].argmax(-1)
    velocity, offset = (samples.tokens[..., where] for where in field_slices(CODEC.fields)[1:])
    assert (velocity == best)[velocity != ABSENT].mean() > 0.999
    best = teacher_logits(samples.tokens, request.context)[2].argmax(-1)
    assert (offset == best)[offset != ABSENT].mean() < 0.95


def test_a_variable_exists_exactly_where_the_codec_says():
    tokens = sample(temperature=(3.0, 1.0, 1.0))[0].tokens
    for field, where in enumerate(field_slices(CODEC.fields)):
        values = tokens[..., where]
        np.testing.assert_array_equal(values != ABSENT, CODEC.present(field, tokens))
        assert values.max() == CODEC.fields[field].size - 1
    assert tokens.min() == ABSENT


def given_tokens():
    return random_tokens(0, BATCH, NUM_STEPS)


def given_hits():
    clamp = given_tokens()
    clamp[..., 1:] = FREE
    return clamp


def test_nothing_is_left_to_choose():
    samples, _ = sample(clamp=given_tokens())
    np.testing.assert_array_equal(samples.tokens, given_tokens())


def test_a_given_beginning_is_continued():
    clamp = given_tokens()
    clamp[:, 16:] = FREE
    samples, _ = sample(clamp=clamp)
    np.testing.assert_array_equal(samples.tokens[:, :16], given_tokens()[:, :16])
    assert (samples.tokens[:, 16:, 0] >= 0).all()
    # What went before is seen: another beginning leads elsewhere.
    assert not np.array_equal(samples.tokens[:, 16:], sample()[0].tokens[:, 16:])


def test_given_hits_are_played_in_a_new_way():
    tokens = sample(clamp=given_hits())[0].tokens
    np.testing.assert_array_equal(tokens[..., 0], given_tokens()[..., 0])
    np.testing.assert_array_equal(tokens != ABSENT, given_tokens() != ABSENT)
    assert not np.array_equal(tokens, given_tokens())


def test_without_spread_expression_is_its_median():
    samples, request = sample(clamp=given_hits(), spread=0.0)
    np.testing.assert_array_equal(samples.tokens, sample(key=9, clamp=given_hits(), spread=0.0)[0].tokens)
    logits = teacher_logits(samples.tokens, request.context)
    for i, where in enumerate(field_slices(CODEC.fields)[1:], 1):
        value = samples.tokens[..., where]
        below = np.cumsum(jax.nn.softmax(logits[i]), axis=-1)
        below = np.concatenate([np.zeros_like(below[..., :1]), below], axis=-1)
        low, high = (np.take_along_axis(below, np.maximum(value, 0)[..., None] + i, -1)[..., 0] for i in (0, 1))
        exists = value != ABSENT
        assert (low[exists] < 0.5 + 1e-5).all()
        assert (high[exists] > 0.5 - 1e-5).all()


def test_spread_is_of_expression_alone_and_grows():
    def deviation(tokens):
        given, (median, _) = given_hits(), sample(clamp=given_hits(), spread=0.0)
        np.testing.assert_array_equal(tokens[..., 0], given[..., 0])
        return np.abs(tokens - median.tokens).sum()

    far = [deviation(sample(clamp=given_hits(), spread=spread)[0].tokens) for spread in (0.0, 0.3, 0.7, 1.0)]
    assert far == sorted(far)
    assert far[0] < far[1] < far[3]
    # Where all expression is given, it changes nothing.
    clamp = np.broadcast_to(np.where(np.arange(NUM_VARIABLES) == 0, FREE, 2), given_tokens().shape)
    np.testing.assert_array_equal(*(sample(clamp=clamp, spread=spread)[0].tokens for spread in (0.0, 1.0)))


@pytest.mark.parametrize("hidden", ["velocity", "offset"])
def test_what_is_hidden_changes_nothing_that_follows(hidden):
    """Other values of a field in the first bar: what follows is the same only where the field is hidden."""
    names = [field.name for field in CODEC.fields]

    def rest(value, name):
        clamp = given_hits()
        where = field_slices(CODEC.fields)[names.index(name)]
        clamp[:, :8, where] = value
        # All but what is changed is given for the bar, for a step's velocity is seen by its own offset.
        others = [w for n, w in zip(names, field_slices(CODEC.fields), strict=True) if n not in ("hits", name)]
        for other in others:
            clamp[:, :8, other] = given_tokens()[:, :8, other]
        _, request = sample(clamp=clamp)
        request = request._replace(hidden=np.asarray([n == hidden for n in names]))
        return run_sampler(request).tokens[:, 8:]

    for name in ("velocity", "offset"):
        assert np.array_equal(rest(0, name), rest(3, name)) == (name == hidden)


def test_a_velocity_given_for_a_drum_that_is_not_hit_is_not_there():
    clamp = given_tokens()
    clamp[..., 0] = 0b001
    clamp[..., 1:] = 2
    tokens = sample(clamp=clamp)[0].tokens
    assert (tokens == [1, 2, ABSENT, ABSENT, 2, ABSENT, ABSENT]).all()


def test_some_variables_of_a_field_may_be_given():
    clamp = np.array(free_clamp(BATCH, NUM_STEPS, CODEC))
    clamp[..., 0], clamp[..., 2] = 0b111, 3  # the snare at one velocity
    tokens = sample(clamp=clamp)[0].tokens
    assert (tokens[..., 2] == 3).all()
    assert len(np.unique(tokens[..., 1])) > 1


def test_steps_fields_and_drums_are_drawn_apart():
    """Where all values are equally likely, two of them agree as often as chance has it."""
    clamp = np.array(free_clamp(BATCH, NUM_STEPS, CODEC))
    clamp[..., 0] = 0b111
    request = sample(clamp=clamp)[1]
    tokens = run_sampler(request, values=zero_weights(make_model(num_layers=1))).tokens
    velocity, offset = tokens[..., 1:4], tokens[..., 4:7]
    assert CODEC.velocity_bins == CODEC.offset_bins == 4
    pairs = [(velocity, offset), (velocity[:, 1:], velocity[:, :-1]), (velocity[..., 1:], velocity[..., :-1])]
    for one, other in [*pairs, (velocity[1:], velocity[:-1])]:
        assert (one == other).mean() == pytest.approx(0.25, abs=0.1)  # 512 pairs or more


def test_another_request_does_not_compile_anew():
    sample()
    sampler = make_sampler(make_model(num_layers=1), CODEC)
    before = sampler._cache_size()
    sample(bars=5, bpm=93.5, style="", time_signature="3/4", temperature=(0.3, 0.0, 2.0), top_k=5, top_p=0.5,
           number=[7, 8, 9, 10])  # fmt: skip
    sample(bars=1, bpm=200.0, style="jazz", time_signature="7/8", key=8)
    assert sampler._cache_size() == before


@pytest.mark.parametrize("limit", [{}, {"top_k": 5}, {"top_p": 0.5}, {"no_repeat": 4}], ids=str)
def test_on_an_nvidia_gpu_limits_have_a_program_of_their_own(limit):
    """Elsewhere there is one for all."""
    graphs = loop_options(PretendGPU("gpu", Client("cuda 13000")))
    request = make_request(make_run(), [Piece(Controls(**limit))] * BATCH, range(BATCH))
    assert needs(request, graphs) == {"guided": False, "hears": False, "limited": bool(limit)}
    assert needs(request, ())["limited"]


@pytest.mark.slow
def test_the_program_of_an_nvidia_gpu_has_fewer_branches_and_draws_the_same(monkeypatch):
    with_limits, request = sample()
    monkeypatch.setattr(drawing, "ALWAYS_DRAWN_ON", ("cpu",))
    sampler = make_sampler.__wrapped__(make_model(num_layers=1), CODEC, limited=False)
    args = jax.device_put((weights(), jax.random.key(0), request), jax.devices()[0])
    np.testing.assert_array_equal(sampler(*args).tokens, with_limits.tokens)
    traced = sampler.trace(*args)
    branches = {on: traced.lower(lowering_platforms=(on,)).as_text().count("stablehlo.case") for on in ("cpu", "tpu")}
    assert branches["cpu"] < branches["tpu"]


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"temperature": {"hits": 1.0, "velocity": -0.1}}, "temperature is .*-0.1"),
        ({"temperature": {"hits": 11.0}}, "temperature is .*11"),
        ({"temperature": {"hits": float("nan")}}, "temperature is .*nan"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 0.0}, "top_p is 0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"spread": 1.5}, "spread is 1.5"),
    ],
)
def test_controls_that_cannot_be_are_refused(controls, message):
    with pytest.raises(ControlError, match=message):
        Controls(**controls)


def hits_of(tokens):
    return tokens[..., 0]


@pytest.mark.parametrize("keep", [0b001, 0b110])
def test_some_drums_of_a_chord_stay_and_the_others_are_chosen(keep):
    given = given_tokens()
    clamp = np.where(np.arange(given.shape[2]) == 0, given, FREE)
    _, request = sample()
    request = request._replace(clamp=clamp, keep=np.full(clamp.shape[:2], ~0b111 | keep, np.int32))
    samples = run_sampler(request)
    tokens = samples.tokens
    np.testing.assert_array_equal(hits_of(tokens) & keep, hits_of(given) & keep)
    others = hits_of(tokens) & ~keep
    assert np.mean(others != (hits_of(given) & ~keep)) > 0.3
    np.testing.assert_array_equal(hits_of(drop_given(CODEC, samples, request).tokens), others)


def test_what_was_given_is_not_among_what_was_chosen():
    clamp = np.asarray(free_clamp(BATCH, NUM_STEPS, CODEC)).copy()
    clamp[:, :10] = given_tokens()[:, :10]
    samples, request = sample(clamp=clamp)
    chosen = np.asarray(drop_given(CODEC, samples, request).tokens)
    assert np.all(hits_of(chosen)[:, :10] == ABSENT)
    np.testing.assert_array_equal(chosen[:, 10:], samples.tokens[:, 10:])


def test_a_fill_begins_with_its_bar():
    base, _ = sample()
    tokens = sample(fill=3)[0].tokens
    np.testing.assert_array_equal(tokens[:, :16], base.tokens[:, :16])  # two bars of eight steps
    assert np.any(tokens[:, 16:] != base.tokens[:, 16:])


def test_every_bar_a_fill_is_the_context_of_a_fill():
    _, request = sample()
    always = sample(fill=1)[0].tokens
    context = request.context._replace(fill=np.full(BATCH, FILL_YES, np.int32))
    course = request.course._replace(fill=np.full_like(request.course.fill, FILL_YES))
    np.testing.assert_array_equal(always, run_sampler(request._replace(context=context, course=course)).tokens)


@pytest.mark.slow
def test_guidance_goes_from_unconditioned_over_asked_to_beyond():
    def tokens(guidance):
        _, request = sample()
        request = request._replace(guidance=np.full(3, guidance, np.float32))
        return run_sampler(request, guided=True).tokens

    base, request = sample()
    np.testing.assert_array_equal(tokens(1), base.tokens)
    course = request.course._replace(fill=np.zeros_like(request.course.fill))
    unconditioned = request._replace(context=drop_controls(request.context), course=course)
    np.testing.assert_array_equal(tokens(0), run_sampler(unconditioned).tokens)
    assert np.any(tokens(4) != base.tokens)


def test_guidance_is_per_field():
    """Of the first step, where each field has seen only those before it."""

    def first(*guidance):
        _, request = sample(clamp=np.where(np.arange(NUM_VARIABLES) == 0, given_tokens() | 0b111, FREE))
        request = request._replace(guidance=np.asarray(guidance, np.float32))
        tokens = run_sampler(request, values=make_weights(make_model(num_layers=1)), guided=True).tokens[:, 0]
        return [tokens[:, where] for where in field_slices(CODEC.fields)]

    plain, louder, later = first(1, 1, 1), first(1, 6, 1), first(1, 1, 6)
    assert np.any(louder[1] != plain[1])
    np.testing.assert_array_equal(later[1], plain[1])
    assert np.any(later[2] != plain[2])


def test_what_is_drawn_with_guidance_is_guided_whoever_asks():
    """`draw`, which previews, players and jobs share, reads the guidance from the request."""
    model = make_model(num_layers=1)
    for guidance in (1.0, 4.0):
        _, request = sample()
        request = jax.device_put(request._replace(guidance=np.full(3, guidance, np.float32)), jax.devices()[0])
        drawn = draw(model, CODEC, *jax.device_put((weights(), jax.random.key(0)), jax.devices()[0]), request)
        np.testing.assert_array_equal(drawn.tokens, run_sampler(request, guided=guidance != 1).tokens)
    assert np.any(np.asarray(drawn.tokens) != sample()[0].tokens)


def test_the_opening_has_a_temperature_of_its_own():
    """The hits of two bars are the most likely ones whatever the key; those after them, and velocities, are not."""
    how = {"opening_bars": 2, "opening_temperature": 0.0, "temperature": (3.0, 1.0, 1.0)}
    samples, request = sample(**how)
    hits, bar = samples.tokens[..., 0], 8
    best = teacher_logits(samples.tokens, request.context)[0][:, :, 0].argmax(-1)
    np.testing.assert_array_equal(hits[:, : 2 * bar], best[:, : 2 * bar])
    assert (hits == best)[:, 2 * bar :].mean() < 0.9
    assert not np.array_equal(samples.tokens[..., 1:4], sample(key=1, **how)[0].tokens[..., 1:4])


def test_an_opening_is_never_wilder_than_what_follows():
    plain = sample(temperature=(0.5, 1.0, 1.0))[0].tokens
    asked = sample(temperature=(0.5, 1.0, 1.0), opening_bars=4, opening_temperature=0.9)[0].tokens
    np.testing.assert_array_equal(plain, asked)
