"""One forward path, no look into the future, and parts that do what they say."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import (
    CODEC,
    NUM_VARIABLES,
    make_context,
    make_model,
    make_model_settings,
    make_teacher,
    make_weights,
    random_tokens,
    stack,
    zero_weights,
)

from drumjax.codecs.base import ABSENT, Place, clock, field_slices
from drumjax.config.checks import SettingsError
from drumjax.config.conditions import CONDITIONS, LEAST_SHARE
from drumjax.models.interface import History, Noise, Weights
from drumjax.models.layers import BATCH_NORM_MOMENTUM, dropout, repeat
from drumjax.models.network import MusicLSTM
from drumjax.models.scoring import Example, place_of, score_tokens

PLAIN_CODEC = dataclasses.replace(CODEC, expressive=False)
# One shape for most tests, so that they share what is compiled.
NUM_ROWS, NUM_STEPS = 10, 28  # more than two bars of 5/4
FIELD_OF = np.repeat(np.arange(3), [field.count for field in CODEC.fields])  # of each token variable
PARTS = ("skip", "position", "lookback", "copy", "features", "pointer")
CONTEXT = make_context()._replace(
    density=np.float32(3), dynamics=np.float32(70), steadiness=np.float32(0.7), backbeat=np.float32(0.9),
    timekeeper=np.int32(2),
)  # fmt: skip  # all of it is known
EVERYTHING_OFF = {**dict.fromkeys(PARTS, False), "conditions": ()}


def steps(batch, num_steps=NUM_STEPS):
    """Ticks [B, T] of the codec's steps."""
    return jnp.broadcast_to(jnp.arange(num_steps, dtype=jnp.int32), (batch, num_steps))


def bar_steps(time_signature):
    return 2 * 4 * time_signature[0] // time_signature[1]


def test_no_step_sees_the_future_nor_a_field_the_later_ones():
    """Each row of the batch has one variable of one token changed; row 0 has none."""
    model = make_model()
    changes = [(t, f) for t in (0, 5, 13) for f in (0, 2, 5)]
    tokens = random_tokens(0, NUM_STEPS)
    tokens[:, 1:] = np.maximum(tokens[:, 1:], 0)  # everything exists, so everything can be seen
    batch = np.stack([tokens] * NUM_ROWS)
    assert len(changes) == NUM_ROWS - 1
    for row, (t, f) in enumerate(changes, 1):
        batch[row, t, f] = (batch[row, t, f] + 1) % 4
    context = stack([make_context(time_signature=(3, 4))] * len(batch))
    logits = make_teacher(model)(make_weights(model), batch, context)
    for field, values in enumerate(logits):
        differs = np.asarray(jnp.abs(values - values[:1]).max((2, 3)) > 0)  # [B, T]
        assert not differs[0].any()
        for row, (t, f) in enumerate(changes, 1):
            assert not differs[row, :t].any()
            assert differs[row, t] == (field > FIELD_OF[f])
            assert differs[row, t + 1 :].all()


def test_the_lookback_is_the_same_place_in_earlier_bars_of_the_own_metre():
    model = make_model()
    time_signatures = [(4, 4), (3, 4), (6, 8), (5, 4), (7, 8)]
    context = stack([make_context(time_signature=metre) for metre in time_signatures])
    tokens = random_tokens(0, len(time_signatures), NUM_STEPS)
    previous = np.concatenate([np.full_like(tokens[:, :1], ABSENT), tokens[:, :-1]], axis=1)

    @jax.jit
    def look_back(weights, context, previous):
        place = place_of(CODEC, context, steps(len(previous)))
        return model.apply(weights, previous, place, context, model.initial_carry(5))[0].lookback

    lookback = np.swapaxes(look_back(make_weights(model), context, previous), 0, 1)
    assert lookback.shape == (5, NUM_STEPS, 2, NUM_VARIABLES)
    for row, metre in enumerate(time_signatures):
        for bars in (1, 2):
            distance = bars * bar_steps(metre)
            expected = np.full((NUM_STEPS, NUM_VARIABLES), ABSENT)
            expected[distance:] = tokens[row, : max(NUM_STEPS - distance, 0)]
            np.testing.assert_array_equal(lookback[row, :, bars - 1], expected)


@pytest.mark.slow
def test_all_steps_at_once_are_one_by_one_and_chunk_by_chunk():
    """The carry holds all that later steps need: the LSTM's state, and the tokens they look back to."""
    model = make_model(norm="layer", residual=True)
    weights = make_weights(model)
    context = stack([make_context(time_signature=metre) for metre in ((3, 4), (4, 4), (7, 8))])
    tokens = random_tokens(1, 3, NUM_STEPS)
    previous = np.concatenate([np.full_like(tokens[:, :1], ABSENT), tokens[:, :-1]], axis=1)

    @jax.jit
    def run(previous, first_step, carry):
        place = place_of(CODEC, context, first_step + steps(*previous.shape[:2]))
        return model.apply(weights, previous, place, context, carry)[:2]

    def unroll(carry):
        """The ring, oldest first."""
        ring = carry.history
        tokens, tick = (jnp.roll(column, -ring.oldest, axis=1) for column in (ring.tokens, ring.tick))
        return carry._replace(history=History(tokens, tick, jnp.int32(0), ring.now))

    expected, last = run(previous, jnp.int32(0), model.initial_carry(3))
    for size in (NUM_STEPS // 2, 1):
        carry, pieces = model.initial_carry(3), []
        for step in range(0, NUM_STEPS, size):  # single steps write a ring; longer ones make it straight again
            hidden, carry = run(previous[:, step : step + size], jnp.int32(step), carry)
            pieces.append(hidden)
        hidden = jax.tree.map(lambda *parts: np.concatenate(parts), *pieces)
        for actual, whole in zip(jax.tree.leaves(hidden), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(actual, whole, atol=2e-6)
        for actual, whole in zip(jax.tree.leaves(unroll(carry)), jax.tree.leaves(unroll(last)), strict=True):
            np.testing.assert_allclose(actual, whole, atol=2e-6)


def test_single_steps_and_long_ones_may_follow_each_other():
    model = make_model(num_layers=1)
    weights = make_weights(model)
    context = stack([make_context(time_signature=metre) for metre in ((3, 4), (4, 4))])
    tokens = random_tokens(1, 2, NUM_STEPS)

    @jax.jit
    def look_back(previous, first_step, history):
        """Without the recurrence, which need not be compiled for it."""
        place = place_of(CODEC, context, first_step + steps(*previous.shape[:2]))
        carry = model.initial_carry(2)._replace(history=history)
        hidden, carry, _ = model.apply(weights, previous, place, context, carry)
        return hidden.lookback, carry.history

    history, step = model.initial_carry(2).history, 0
    expected, _ = look_back(tokens, jnp.int32(0), history)
    for size in (1, 1, 5, 1, 5, 1, 1, 1, NUM_STEPS - 16):
        lookback, history = look_back(tokens[:, step : step + size], jnp.int32(step), history)
        np.testing.assert_array_equal(lookback, expected[step : step + size])
        step += size
    assert step == NUM_STEPS


@pytest.mark.parametrize("parts", [{}, EVERYTHING_OFF], ids=["everything on", "everything off"])
def test_parts_are_seen_if_they_are_on_and_only_then(parts):
    """Row by row one thing about the place or the context is another; row 0 is the base."""
    model = make_model(num_layers=1, **parts)
    base = make_context(tempo_bpm=100)
    rows = {
        "style": base._replace(style=np.int32(1)),
        "tempo": base._replace(tempo_bpm=np.float32(101)),
        "metre": base._replace(metre=np.int32(2)),
        "fill": base._replace(fill=np.int32(2)),
        "density": base._replace(density=np.float32(3)),
        "dynamics": base._replace(dynamics=np.float32(80)),
        "steadiness": base._replace(steadiness=np.float32(0.4)),
        "backbeat": base._replace(backbeat=np.float32(0.6)),
        "no backbeat": base._replace(backbeat=np.float32(LEAST_SHARE)),
        "timekeeper": base._replace(timekeeper=np.int32(1)),
        "player": base._replace(player=np.int32(1)),
        "style unknown": base._replace(style=np.int32(0)),
        "tempo unknown": base._replace(tempo_bpm=np.float32(0)),
        "metre unknown": base._replace(metre=np.int32(0)),
        "fill unknown": base._replace(fill=np.int32(0)),
        "position": base,
        "bar": base,
        "lookback": base,
    }
    names = ["base", *rows]
    context = stack([base, *rows.values()])
    place = stack([CODEC.place(base, np.arange(24))] * len(names))
    place.position[names.index("position")] += 1
    place.bar[names.index("bar")] += 1
    place.lookback[names.index("lookback")] -= 1
    tokens = np.stack([random_tokens(2, 24)] * len(names))

    @jax.jit
    def run(weights):
        hidden = model.apply(weights, tokens, Place(*place), context, model.initial_carry(len(names)))[0]
        return jnp.swapaxes(model.head(weights, 0, hidden, tokens), 0, 1)

    logits = np.asarray(run(make_weights(model)))
    assert np.isfinite(logits).all()  # at an unknown tempo too
    for row, name in enumerate(names):
        assert np.array_equal(logits[row], logits[0]) == (name == "base" or bool(parts)), name


def scores_of(model, weights, tokens, *, axis=None, noise=None, codec=CODEC):
    context = stack([CONTEXT] * len(tokens))
    example = Example(tokens, tokens, place_of(codec, context, clock(codec, tokens, 0)[:, :-1]), context)
    scores, _, stats = score_tokens(model, weights, example, model.initial_carry(len(tokens)), noise, axis)
    return sum(jnp.sum(score.nll) for score in scores), stats


def test_what_is_scored_need_not_be_heard():
    model = make_model(num_layers=1)
    weights = make_weights(model)
    context = stack([CONTEXT] * 2)
    loud, late = field_slices(CODEC.fields)[1:]

    @jax.jit
    def nats(tokens, inputs):
        example = Example(tokens, inputs, place_of(CODEC, context, clock(CODEC, tokens, 0)[:, :-1]), context)
        return [(score.nll, score.count) for score in score_tokens(model, weights, example, carry)[0]]

    carry, tokens = model.initial_carry(2), random_tokens(0, 2, 16)
    later, written = tokens.copy(), tokens.copy()
    later[..., late] = np.where(tokens[..., late] == ABSENT, ABSENT, 3)
    written[..., late] = ABSENT
    heard, hidden = ([nats(some, other) for some in (tokens, later)] for other in (tokens, written))
    for field in (0, 1):  # hits and velocities do not feel offsets that were not heard
        np.testing.assert_array_equal(hidden[0][field][0], hidden[1][field][0])
        assert np.any(heard[0][field][0] != hidden[0][field][0])
    assert np.all(hidden[0][2][0] != hidden[1][2][0])  # but these are what is to be foreseen
    for one, other in zip(heard[0], hidden[0], strict=True):
        np.testing.assert_array_equal(one[1], other[1])
    louder, hits = tokens.copy(), tokens.copy()
    louder[..., loud] = np.where(tokens[..., loud] == ABSENT, ABSENT, 3)
    hits[..., 1:] = ABSENT
    assert np.all(nats(tokens, hits)[2][0] != nats(louder, hits)[2][0])  # a step's offsets know its own velocities


def train_scores_of(model, weights, tokens, num_devices=1):
    """As in training, the batch shared by devices of a mapped axis; the sum over all of them."""
    shares = tokens.reshape(num_devices, -1, *tokens.shape[1:])
    score = jax.vmap(lambda share: scores_of(model, weights, share, axis="data"), axis_name="data")
    nll, stats = score(shares)
    return jnp.sum(nll), jax.tree.map(lambda s: s[0], stats)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"residual": True, "norm": "layer", "joint_units": 3},
        {"skip": False, "copy": False, "features": False, "norm": "batch"},
    ],
    ids=["residual, layer norm", "no skip, no copy, no features, batch norm"],
)
def test_every_parameter_learns_in_every_variant(changes):
    model = make_model(**changes)
    params, stats = make_weights(model)
    score = jax.value_and_grad(lambda p: train_scores_of(model, Weights(p, stats), random_tokens(3, 4, 20))[0])
    loss, grads = jax.jit(score)(params)
    assert np.isfinite(loss)
    for path, grad in jax.tree_util.tree_leaves_with_path(grads):
        assert np.isfinite(grad).all(), path
        assert np.any(grad), path


def without(part) -> dict:
    if part in CONDITIONS:
        return {"conditions": tuple(name for name in CONDITIONS if name != part)}
    return {part: False}


BEGINNINGS = {"beginning", "timekeeper_beginning", "player_beginning"}


@functools.cache
def parameter_names(**changes) -> set[str]:
    params, _ = jax.eval_shape(make_model(num_layers=1, **changes).init, jax.random.key(0))
    return {"/".join(key.key for key in path) for path, _ in jax.tree_util.tree_leaves_with_path(params)}


@pytest.mark.parametrize(
    ("off", "gone"),
    [
        ("position", {"position/embedding", "phrase/embedding", "backbeat_places/embedding", *BEGINNINGS}),
        (
            "lookback",
            {f"lookback_{name}" for name in ("hits/table", "hits/weight", "velocity/weight", "offset/weight")}
            | BEGINNINGS,
        ),
        ("copy", {"head_hits/gates/kernel", "head_hits/gates/bias"}),
        ("style", {"context/style/embedding"}),
        ("metre", {"context/metre/embedding"}),
        ("fill", {"context/fill/embedding"}),
        ("tempo", {"context/tempo/kernel", "context/tempo/bias"}),
        ("density", {"context/density/kernel", "context/density/bias"}),
        ("dynamics", {"context/dynamics/kernel", "context/dynamics/bias"}),
        ("backbeat", {"context/backbeat/kernel", "context/backbeat/bias", "backbeat_places/embedding"}),
        ("timekeeper", {"context/timekeeper/embedding", "timekeeper_beginning"}),
        ("player", {"context/player/embedding", "player_beginning"}),
        ("skip", set()),
    ],
)
def test_a_part_that_is_off_takes_its_own_parameters_with_it_and_no_others(off, gone):
    if off == "lookback":
        gone = gone | {"head_hits/gates/kernel", "head_hits/gates/bias"}  # nothing to copy from
    assert parameter_names() - parameter_names(**without(off)) == gone
    assert parameter_names(**without(off)) <= parameter_names()


def test_the_tables_of_beginnings_count_until_there_is_a_bar_to_look_back_to():
    """The same steps with other numbers in those tables: the first bar changes, and what follows only by its memory."""
    model = make_model(num_layers=1)
    params, stats = make_weights(model)
    # Without weights from step to step nothing is remembered.
    params = {**params, "lstm_0": {**params["lstm_0"], "w_h": jnp.zeros_like(params["lstm_0"]["w_h"])}}
    other = {**params, **{name: params[name] + 1 for name in BEGINNINGS}}
    tokens, context = random_tokens(0, 2, NUM_STEPS), stack([make_context()] * 2)
    previous = np.concatenate([np.full_like(tokens[:, :1], ABSENT), tokens[:, :-1]], axis=1)
    place = place_of(CODEC, context, steps(2))
    apply = jax.jit(
        lambda p: model.apply(Weights(p, stats), previous, place, context, model.initial_carry(2))[0].output
    )
    a, b = apply(params), apply(other)
    changed = np.abs(np.asarray(a - b))[..., -6:].max(axis=(1, 2)) > 1e-6  # what skips the stack
    first_bar = 4 * CODEC.steps_per_beat
    assert changed[:first_bar].all()
    assert not changed[first_bar:].any()


def test_the_heads_see_the_input_of_the_stack_only_if_skip_is_on():
    widths = [
        make_weights(make_model(skip=skip)).params["head_hits"]["outer"]["kernel"].shape[0] for skip in (True, False)
    ]
    assert widths == [8 + 6, 8]


def test_parameters_are_plain_nested_dicts():
    def check(tree):
        if isinstance(tree, jax.Array):
            assert tree.dtype == jnp.float32
        else:
            assert type(tree) is dict
            for name, value in tree.items():
                assert type(name) is str
                check(value)

    params, stats = make_weights(make_model())
    check(params)
    assert stats == {}
    check(make_weights(make_model(skip=False, copy=False, features=False, norm="batch")).stats)


def test_copying_raises_the_values_found_in_the_lookback():
    """With the gates of one and two bars ago at 2 and 3 and all else zero, the logits are these gates."""
    model = make_model(pointer=False)
    params, stats = jax.tree.map(lambda p: p, zero_weights(model))
    params["head_hits"]["gates"]["bias"] = jnp.asarray([2.0, 3.0])
    tokens = random_tokens(4, NUM_ROWS, NUM_STEPS)
    context = stack([make_context(time_signature=(5, 4))] * NUM_ROWS)
    logits = make_teacher(model)(Weights(params, stats), tokens, context)[0][0, :, 0]
    expected = np.zeros((NUM_STEPS, 8))
    for step in range(NUM_STEPS):
        for gate, distance in ((2, 10), (3, 20)):
            if step >= distance:
                expected[step, tokens[0, step - distance, 0]] += gate
    np.testing.assert_array_equal(logits, expected)


@jax.jit
def noisy_nll(weights, tokens, key, rate):
    return scores_of(make_model(), weights, tokens, noise=Noise(jax.random.split(key, len(tokens)), rate))[0]


def test_what_lies_beyond_the_end_has_no_part_in_the_loss():
    """The negative log-likelihood of 20 steps, from the logits of all 28 given something in the last 8."""
    weights = make_weights(make_model())
    tokens = random_tokens(5, NUM_ROWS, NUM_STEPS)
    logits = make_teacher(make_model())(weights, tokens, stack([CONTEXT] * NUM_ROWS))
    expected = 0.0
    for values, where in zip(logits, field_slices(CODEC.fields), strict=True):
        target = tokens[:, :20, where]
        log_p = np.asarray(jax.nn.log_softmax(values))[:, :20]
        chosen = np.take_along_axis(log_p, np.maximum(target, 0)[..., None], axis=-1)[..., 0]
        expected -= chosen[target != ABSENT].sum()
    padded = tokens.copy()
    padded[:, 20:] = ABSENT
    assert float(noisy_nll(weights, padded, jax.random.key(0), 0.0)) == pytest.approx(expected, rel=1e-5)


def test_noise_makes_a_difference_and_none_at_rate_zero():
    weights, tokens = make_weights(make_model()), random_tokens(7, NUM_ROWS, NUM_STEPS)
    key, other = jax.random.split(jax.random.key(0))
    nll = [float(noisy_nll(weights, tokens, *noise)) for noise in ((key, 0.0), (other, 0.0), (key, 0.5), (other, 0.5))]
    assert nll[0] == nll[1]
    assert len(set(nll)) == 3


@pytest.mark.slow
def test_batch_norm_learns_its_statistics_in_training_only():
    model = make_model(skip=False, copy=False, features=False, norm="batch")
    params, stats = make_weights(model)
    assert stats.keys() == {"norm_0", "norm_1"}
    tokens = random_tokens(6, 4, 20)
    train, evaluate = (
        jax.jit(lambda s, f=f: f(model, Weights(params, s), tokens)) for f in (train_scores_of, scores_of)
    )
    (first, after), (start, same) = train(stats), evaluate(stats)
    assert jax.tree.all(jax.tree.map(np.array_equal, same, stats))
    once = np.asarray(after["norm_0"]["mean"])
    assert not np.isclose(start, first)
    for _ in range(150):  # the statistics of one batch, over and over
        _, after = train(after)
    assert BATCH_NORM_MOMENTUM**150 < 1e-6
    np.testing.assert_allclose(once, (1 - BATCH_NORM_MOMENTUM) * after["norm_0"]["mean"], rtol=1e-3)
    assert evaluate(after)[0] == pytest.approx(float(first), rel=1e-2)


@pytest.mark.slow
def test_batch_norm_speaks_of_the_whole_batch_on_any_number_of_devices():
    model = make_model(skip=False, copy=False, features=False, norm="batch")
    weights, tokens = make_weights(model), random_tokens(6, 4, 20)
    score = jax.jit(lambda tokens, num: train_scores_of(model, weights, tokens, num), static_argnums=1)
    (nll, after), (other, other_after) = (score(tokens, num) for num in (1, 4))
    assert nll == pytest.approx(float(other), rel=1e-5)
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(other_after), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_dropout_drops_whole_features():
    x = jnp.ones((5, 40, 50))
    keys = jax.random.split(jax.random.key(0), 40)
    dropped = np.asarray(dropout(x, keys, 0.25))
    assert set(np.unique(dropped)) == {0, np.float32(1 / 0.75)}
    assert (dropped == dropped[:1]).all()  # the same at all steps
    assert dropped.mean() == pytest.approx(1, abs=0.05)
    assert not (dropped[0] == dropped[0, :1]).all()  # not the same for all sequences
    np.testing.assert_array_equal(dropout(x[:, 3:5], keys[3:5], 0.25), dropped[:, 3:5])  # a key is an example's own
    np.testing.assert_array_equal(dropout(x, keys, 0.0), x)


@pytest.mark.parametrize("changes", [{"norm": "group"}, {"hidden_size": 0}, {"num_layers": 0}, {"embed_size": -1}])
def test_settings_that_cannot_be_are_refused(changes):
    with pytest.raises(SettingsError, match=rf"model\.{next(iter(changes))}"):
        make_model_settings(**changes)


@pytest.mark.slow
@pytest.mark.parametrize("position", [True, False])
def test_a_plain_model_gathers_from_projected_tables(monkeypatch, position):
    """And computes the same, slopes included, as one that projects what it has gathered."""
    model = make_model(PLAIN_CODEC, skip=False, lookback=False, copy=False, position=position)
    params, stats = make_weights(model)
    tokens = random_tokens(3, 4, 20, codec=PLAIN_CODEC)

    def values():
        score = jax.value_and_grad(lambda p: scores_of(model, Weights(p, stats), tokens, codec=PLAIN_CODEC)[0])
        return jax.jit(score)(params)

    nll, slopes = values()
    monkeypatch.setattr(MusicLSTM, "_can_fold", False)
    other_nll, other_slopes = values()
    assert nll == pytest.approx(float(other_nll), rel=1e-5)
    for a, b in zip(jax.tree.leaves(slopes), jax.tree.leaves(other_slopes), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


def test_the_slope_of_what_is_repeated_is_the_sum_over_the_steps():
    weights = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    x = jnp.ones((3, 4))
    np.testing.assert_array_equal(repeat(x, 5), np.ones((5, 3, 4)))
    slope = jax.jit(jax.grad(lambda x: jnp.sum(weights * repeat(x, 5))))(x)
    np.testing.assert_allclose(slope, weights.sum(axis=0), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("features", [True, False])
def test_a_folded_model_computes_the_same(features):
    model = make_model(features=features)
    weights = make_weights(model)
    folded, folded_weights = model.fold(weights)
    assert jax.tree.structure(folded_weights) == jax.tree.structure(make_weights(folded))
    tokens, context = random_tokens(3, 4, 20), stack([make_context()] * 4)
    expected = make_teacher(model)(weights, tokens, context)
    for logits, whole in zip(make_teacher(folded)(folded_weights, tokens, context), expected, strict=True):
        np.testing.assert_allclose(logits, whole, atol=2e-5)
