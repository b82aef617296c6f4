"""The compiled training step: the same on any number of devices and in calls of any length, and each part at work."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CODEC, STYLES, make_bare_model, make_model, make_song, make_weights

from configs import default
from drumjax.codecs.base import ABSENT, clock, field_slices
from drumjax.codecs.events import EventCodec
from drumjax.codecs.vocabulary import Vocabulary
from drumjax.config.augmentation import AUGMENTATIONS, AugmentSettings
from drumjax.config.checks import SettingsError
from drumjax.config.settings import make_settings
from drumjax.config.training import OPTIMIZERS
from drumjax.data.corpus import max_notes, pack, window_at
from drumjax.studies.lowered import inspect
from drumjax.system.devices import make_data_mesh, replicate
from drumjax.training import example as example_module
from drumjax.training.example import WindowShape, encode, make_window_shape, take_example
from drumjax.training.hyper import Hyper
from drumjax.training.optimizer import clip, descend, make_tx
from drumjax.training.schedule import LearningRate, Strength
from drumjax.training.state import TrainState, init_state
from drumjax.training.step import Augmentation, Recipe, make_train_call, place_corpus

CORPUS = pack([make_song(i, 4, style="rock") for i in range(3)] + [make_song(3, 6, (3, 4), style="jazz")], STYLES)
SHAPE = WindowShape(batch=8, num_beats=8, num_steps=16, num_notes=max_notes(CORPUS, 12), memory_beats=4)
MAX_STEPS = 4
HYPER = Hyper(
    learning_rate=np.float32(0.01),
    weight_decay=np.float32(0.01),
    clip_norm=np.float32(1.0),
    dropout=np.float32(0.2),
    context_dropout=np.float32(0.1),
    measured_dropout=np.float32(0.5),
    memory_dropout=np.float32(0.0),
    coming_dropout=np.float32(0.5),
    history_dropout=np.zeros(3, np.float32),
    average_decay=np.float32(0.9),
    field_weights=np.asarray([1.0, 0.5, 0.25], np.float32),
    augment={name: np.float32(0) for name in AUGMENTATIONS},
)
MODEL = make_model(num_layers=1)
BARE = make_bare_model(conditions=())


@functools.cache
def train_call(num_devices, augmentation=None, model=MODEL):
    mesh, schedule = make_data_mesh(num_devices), LearningRate("constant", 1, 100)
    recipe = Recipe(model, CODEC, "adamw", schedule, SHAPE, augmentation=augmentation)
    call = make_train_call(recipe, mesh, MAX_STEPS)
    corpus = replicate(CORPUS, mesh)

    def train(state, num_steps, **changes):
        state, hyper = replicate((state, HYPER._replace(**changes)), mesh)
        return jax.tree.map(to_numpy, call(state, corpus, hyper, np.int32(num_steps)))

    return train


def to_numpy(x):
    """A copy on the host, which a later call cannot take away; a key stays a key."""
    return jax.random.clone(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else np.array(x)


def fresh_state(model=MODEL) -> TrainState:
    """Like init_state, with parameters made by numpy: it need not be compiled."""
    params, stats = make_weights(model)
    params = jax.tree.map(lambda p: 0.25 * p, params)
    average = jax.tree.map(jnp.copy, params)
    return TrainState(jnp.int32(0), jax.random.key(5), params, average, stats, make_tx("adamw").init(params))


def run(calls, *, num_devices=1, augmentation=None, model=MODEL, **changes):
    """The state after the calls, and the loss of each step."""
    state, losses = fresh_state(model), []
    for num_steps in calls:
        state, metrics = train_call(num_devices, augmentation, model)(state, num_steps, **changes)
        losses.extend(metrics.loss[:num_steps])
    return state, np.asarray(losses)


def assert_same_states(state, other):
    assert jax.tree.structure(state) == jax.tree.structure(other)
    np.testing.assert_array_equal(*(jax.random.key_data(s.key) for s in (state, other)))
    for a, b in zip(jax.tree.leaves(state._replace(key=0)), jax.tree.leaves(other._replace(key=0)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_how_steps_are_grouped_into_calls_changes_no_bit():
    state, losses = run([4])
    for calls in ([2, 2], [1, 3], [3, 1]):
        other, other_losses = run(calls)
        np.testing.assert_array_equal(losses, other_losses)
        assert_same_states(state, other)
    assert state.step == 4


@pytest.mark.slow
def test_songs_that_devices_share_are_learned_from_alike_on_any_number_of_them():
    """Each window comes from songs of its own, wherever these are; and the state that is given away is the memory of
    the new one, as XLA has it on every device: each byte of it, keys too, as it is lowered for one that is not there.
    """
    shape = SHAPE._replace(is_split=True)
    recipe = Recipe(BARE, CODEC, "adamw", LearningRate("constant", 1, 100), shape)
    losses = []
    for num_devices in (1, 4):
        mesh = make_data_mesh(num_devices)
        corpus = place_corpus(pack([make_song(seed, 4) for seed in range(20)]), recipe, mesh)
        for column in jax.tree.leaves(corpus):
            assert [len(shard.data) for shard in column.addressable_shards] == [8 // num_devices] * num_devices
        state, hyper = replicate((fresh_state(BARE), HYPER), mesh)
        traced = make_train_call(recipe, mesh, MAX_STEPS).trace(state, corpus, hyper, np.int32(3))
        compiled = traced.lower().compile()
        _, metrics = compiled(state, corpus, hyper, np.int32(3))
        losses.append(np.asarray(metrics.loss)[:3])
    elsewhere = inspect(traced.lower(lowering_platforms=("tpu",)))
    assert elsewhere.unused == 0
    assert compiled.memory_analysis().alias_size_in_bytes == elsewhere.donated_bytes > 0
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_a_large_corpus_of_many_songs_is_split(monkeypatch):
    settings = make_settings(default.get_config().to_dict())
    assert not make_window_shape(settings, CODEC, CORPUS).is_split
    monkeypatch.setattr(example_module, "SPLIT_FROM_NOTES", 1)
    assert not make_window_shape(settings, CODEC, CORPUS).is_split  # of 4 songs
    monkeypatch.setattr(example_module, "SONGS_PER_WINDOW", 4 / settings.train.batch_size)
    assert make_window_shape(settings, CODEC, CORPUS).is_split


@pytest.mark.slow
def test_golden_loss():
    """Three steps from fixed parameters, data and keys, without dropout."""
    _, losses = run([3], dropout=np.float32(0), context_dropout=np.float32(0))
    np.testing.assert_allclose(
        losses,
        [2.839078, 2.765264, 2.547520],
        rtol=1e-4,
        err_msg="The arithmetic of training changed: windows, encoding, places, forward pass, loss, gradient, clipping "
        "or optimizer. Did you mean to? Then checkpoints, published figures and resumed runs are affected: say so in "
        f"the commit, and put the new losses here: {losses.tolist()}. If not, find out why; a new release of JAX may "
        "change random numbers, but only with a notice.",
    )


@pytest.mark.slow
def test_metrics_of_steps_not_taken_are_not_a_number():
    _, metrics = train_call(1)(fresh_state(), 2)
    assert metrics.loss.shape == metrics.grad_norm.shape == (MAX_STEPS,)
    assert metrics.nll.shape == (MAX_STEPS, 3)
    for column in metrics:
        assert np.isfinite(column[:2]).all()
        assert np.isnan(column[2:]).all()
    np.testing.assert_allclose(metrics.loss[:2], metrics.nll[:2] @ HYPER.field_weights, rtol=1e-5)


@pytest.mark.slow
def test_training_lowers_the_loss():
    _, losses = run([4] * 10, dropout=np.float32(0))
    assert losses[-4:].mean() < 0.8 * losses[:4].mean()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_goes_downhill(optimizer):
    """On a badly scaled bowl, at steps of 0.1 whatever the size of the gradient."""
    tx, scale = make_tx(optimizer), jnp.asarray([1e-3, 1e3])

    @jax.jit
    def step(params, opt):
        updates, opt = tx.update({"x": 2 * scale * params["x"]}, opt, params)
        return descend(params, updates, jnp.float32(0.1), jnp.float32(0)), opt

    params = {"x": jnp.asarray([3.0, -3.0])}
    opt = tx.init(params)
    for _ in range(60):
        params, opt = step(params, opt)
    assert (abs(params["x"]) < 1).all()


@pytest.mark.slow
def test_a_learning_rate_that_explodes_shows_in_the_metrics():
    _, metrics = train_call(1)(fresh_state(), 4, learning_rate=np.float32(1e30), clip_norm=np.float32(0))
    assert not (np.isfinite(metrics.loss) & np.isfinite(metrics.grad_norm)).all()


@pytest.mark.slow
def test_every_step_sees_other_windows():
    still = {"learning_rate": np.float32(0), "dropout": np.float32(0), "context_dropout": np.float32(0)}
    _, losses = run([4], **still)
    assert len(set(losses.tolist())) == 4


@pytest.mark.slow
def test_dropout_of_every_kind_is_at_work():
    still = {"learning_rate": np.float32(0), "dropout": np.float32(0), "context_dropout": np.float32(0)}
    first = {}
    for name in ("nothing", "dropout", "context_dropout"):
        first[name] = float(run([1], **(still | {name: np.float32(0.5)} if name in still else still))[1][0])
    for field in range(3):
        hidden = np.eye(3, dtype=np.float32)[field]
        first[f"history {field}"] = float(run([1], **still, history_dropout=hidden)[1][0])
    assert len(set(first.values())) == 6


@pytest.mark.slow
def test_augmentation_follows_its_schedule_and_changes_nothing_at_0():
    fading = Augmentation(CODEC.kit, Strength("rise", 8))  # 0 at the first step, a half at the second
    _, plain = run([3], model=BARE)
    _, none = run([3], augmentation=fading, model=BARE)
    np.testing.assert_allclose(none, plain, rtol=1e-6)
    strengths = HYPER.augment | {"rotate_beats": np.float32(1), "jitter_ms": np.float32(200)}
    _, changed = run([3], augmentation=fading, model=BARE, augment=strengths)
    assert changed[0] == none[0]
    assert np.all(np.abs(changed[1:] - plain[1:]) > 1e-4)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("constant", [1, 1, 1, 1, 1]), ("rise", [0, 0.5, 1, 1, 1]), ("fade", [1, 1, 1, 0.5, 0])],
)
def test_schedules_of_augmentation(schedule, factors):
    steps = jnp.asarray([0, 10, 20, 70, 80])
    np.testing.assert_allclose(jax.vmap(Strength(schedule, 80))(steps), factors)


def test_an_unknown_schedule_of_augmentation_is_named():
    with pytest.raises(ValueError, match="sometimes"):
        Strength("sometimes", 2)
    choices = r"config\.augment\.schedule is 'sometimes'; it must be one of 'constant', 'rise', 'fade'"
    with pytest.raises(SettingsError, match=choices):
        AugmentSettings("sometimes")


@pytest.mark.slow
def test_clipping_limits_the_update_and_not_the_report():
    norms, moves = [], []
    for clip_norm in (0, 1e-9):  # after a clip to nothing, Adam's epsilon of 1e-8 outweighs the gradient
        changes = {"clip_norm": np.float32(clip_norm), "weight_decay": np.float32(0)}
        state, metrics = train_call(1)(fresh_state(), 2, **changes)
        norms.append(metrics.grad_norm[0])
        deltas = jax.tree.map(lambda a, b: np.abs(a - b).max(), state.params, fresh_state().params)
        moves.append(max(jax.tree.leaves(deltas)))
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)
    assert 0 < moves[1] < 0.2 * moves[0]


@pytest.mark.slow
def test_the_average_follows_the_parameters():
    """average += (1 - decay) (params - average), where decay begins at (1 + step) / (10 + step)."""
    state, average = fresh_state(), jax.tree.map(np.asarray, fresh_state().params)
    for step in range(3):
        state, _ = train_call(1)(state, 1)
        decay = min(0.9, (1 + step) / (10 + step))
        average = jax.tree.map(lambda a, p, d=decay: a + (1 - d) * (p - a), average, state.params)
        for a, b in zip(jax.tree.leaves(state.average), jax.tree.leaves(average), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
def test_no_average_is_the_parameters_themselves():
    state, _ = run([3], average_decay=np.float32(0))
    for a, b in zip(jax.tree.leaves(state.average), jax.tree.leaves(state.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_init_state():
    state = jax.eval_shape(lambda key: init_state(MODEL, make_tx("adamw"), key), jax.random.key(0))
    expected = jax.eval_shape(fresh_state)
    assert jax.tree.structure(state) == jax.tree.structure(expected)
    assert jax.tree.map(lambda x: x.shape, state) == jax.tree.map(lambda x: x.shape, expected)


def test_weight_decay_is_for_matrices():
    params = {"matrix": jnp.full((2, 2), 2.0), "bias": jnp.full(2, 2.0)}
    updates = {"matrix": jnp.full((2, 2), 3.0), "bias": jnp.full(2, 3.0)}
    moved = descend(params, updates, jnp.float32(0.1), jnp.float32(0.5))
    np.testing.assert_allclose(moved["matrix"], 2 - 0.1 * (3 + 0.5 * 2))
    np.testing.assert_allclose(moved["bias"], 2 - 0.1 * 3)


@pytest.mark.parametrize(("clip_norm", "factor"), [(0.0, 1), (10.0, 1), (5.0, 1), (1.0, 0.2)])
def test_clip(clip_norm, factor):
    grads = {"a": jnp.array([3.0]), "b": jnp.array([[4.0]])}
    clipped = clip(grads, jnp.float32(5), jnp.float32(clip_norm))
    np.testing.assert_allclose([clipped["a"][0], clipped["b"][0, 0]], [3 * factor, 4 * factor], rtol=1e-6)


def test_clip_of_no_gradient():
    assert clip({"a": jnp.zeros(1)}, jnp.float32(0), jnp.float32(1))["a"] == 0


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_schedule(schedule):
    rate = jax.vmap(LearningRate(schedule, 10, 110))(jnp.arange(150))
    np.testing.assert_allclose(rate[:11], np.arange(11) / 10, atol=1e-6)
    if schedule == "constant":
        assert (rate[10:] == 1).all()
    else:
        down = 0.01 + 0.99 * (1 + np.cos(np.pi * np.arange(101) / 100)) / 2
        np.testing.assert_allclose(rate[10:111], down, atol=1e-5)
        np.testing.assert_allclose(rate[110:], 0.01, atol=1e-6)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
@pytest.mark.parametrize(("warmup_steps", "num_steps"), [(0, 1), (0, 2), (1, 1), (5, 5), (100, 3)])
def test_schedules_of_short_runs(schedule, warmup_steps, num_steps):
    rate = LearningRate(schedule, warmup_steps, num_steps)
    assert all(0 <= float(rate(step)) <= 1 for step in range(num_steps))


def test_names_that_are_not_there():
    with pytest.raises(ValueError, match="sgd"):
        make_tx("sgd")
    with pytest.raises(ValueError, match="step"):
        LearningRate("step", 1, 2)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("optimizer", "sgd", r"train\.optimizer is 'sgd'; it must be one of 'adamw', 'adam', 'rmsprop'"),
        ("schedule", "step", r"train\.schedule is 'step'; it must be one of 'cosine', 'constant'"),
    ],
)
def test_settings_name_those_that_are_there(name, value, message):
    config = default.get_config().to_dict()
    config["train"][name] = value
    with pytest.raises(SettingsError, match=message):
        make_settings(config)


def test_an_example_is_a_function_of_its_key():
    take = jax.jit(
        jax.vmap(lambda key: take_example(jax.device_put(CORPUS), key, codec=CODEC, shape=SHAPE, hyper=HYPER))
    )
    keys = jax.random.split(jax.random.key(1), 6)
    example, other = take(keys), take(keys[::-1])
    for a, b in zip(jax.tree.leaves(example), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b[::-1])
    assert len({row.tobytes() for row in np.asarray(example.tokens)}) > 1


def test_a_window_remembers_the_song_before_it():
    """Memory and window together are the song's own tokens; before the song there is nothing."""
    beats, memory = 8, 6
    shape = WindowShape(8, beats, 16, max_notes(CORPUS, beats + memory), memory)
    corpus = jax.device_put(CORPUS)

    @jax.jit
    def take(song, start):
        return encode(CODEC, window_at(corpus, song, start, beats, shape.num_notes, memory), shape)

    begins = []
    for song in range(len(CORPUS.end_beat)):
        length = int(np.diff(CORPUS.song_beat)[song])
        whole = CODEC.encode(window_at(corpus, song, jnp.int32(0), length, max_notes(CORPUS, length)), 2 * length)
        for start in range(0, length, 3):
            tokens, first_tick, past = take(jnp.int32(song), jnp.int32(start))
            assert first_tick == 0
            np.testing.assert_array_equal(past.tick, np.arange(-2 * memory, 0))
            past, known = past.tokens, min(start, memory)
            np.testing.assert_array_equal(past[: 2 * (memory - known)], ABSENT)
            both = np.concatenate([past, tokens])[2 * (memory - known) :]
            expected = whole[2 * (start - known) : 2 * (start + beats)]
            np.testing.assert_array_equal(both[: len(expected), 0], expected[:, 0])
            begins.append(known)
    assert {0, memory} < set(begins)


def test_what_is_remembered_is_hidden_as_what_is_heard():
    shape = WindowShape(8, 8, 16, max_notes(CORPUS, 12), 4)
    hyper = HYPER._replace(history_dropout=np.asarray([0, 1, 0], np.float32))
    example = jax.jit(lambda key: take_example(jax.device_put(CORPUS), key, codec=CODEC, shape=shape, hyper=hyper))(
        jax.random.key(0)
    )
    for array in (example.inputs, example.memory.tokens):
        assert (array[:, field_slices(CODEC.fields)[1]] == ABSENT).all()
    assert example.memory.tokens.shape == (8, example.tokens.shape[1])


def test_a_memory_can_be_hidden_and_nothing_else_with_it():
    take = jax.jit(lambda key, hyper: take_example(jax.device_put(CORPUS), key, codec=CODEC, shape=SHAPE, hyper=hyper))
    rows = []
    for seed in range(20):
        key = jax.random.key(seed)
        seen, hidden, some = (take(key, HYPER._replace(memory_dropout=np.float32(odds))) for odds in (0, 1, 0.5))
        assert (hidden.memory.tokens == ABSENT).all()
        jax.tree.map(np.testing.assert_array_equal, seen._replace(memory=None), hidden._replace(memory=None))
        if (seen.memory.tokens != ABSENT).any():
            rows.append(bool((some.memory.tokens != ABSENT).any()))
    assert {True, False} == set(rows)


@pytest.mark.parametrize(("odds", "expected"), [(0.0, {True}), (1.0, {False}), (0.5, {True, False})])
def test_the_hits_to_come_are_hidden_as_often_as_asked(odds, expected):
    take = jax.jit(lambda key, hyper: take_example(jax.device_put(CORPUS), key, codec=CODEC, shape=SHAPE, hyper=hyper))
    hyper = HYPER._replace(coming_dropout=np.float32(odds))
    assert {bool(take(jax.random.key(seed), hyper).hears) for seed in range(20)} == expected


def test_a_window_of_notes_remembers_the_notes_before_it():
    """Memory and window together are steps of the whole song, at the same ticks, as many as there is room for."""
    codec = EventCodec(None, Vocabulary(tuple(range(36, 45)), 12, (3, 6, 12), 0), ticks_per_beat=12, velocity_bins=4)
    songs = [make_song(seed, 12, notes_per_beat=per_beat) for seed, per_beat in ((0, 2.0), (1, 0.4), (2, 5.0))]
    packed = pack(songs)
    corpus, beats, remembered = jax.device_put(packed), 8, 16
    num_notes = max_notes(packed, beats)
    shape = WindowShape(8, beats, codec.num_steps(beats, num_notes), num_notes + remembered, remembered, remembered)
    at = jax.jit(lambda song, start: window_at(corpus, song, start, beats, shape.num_notes, remembered, remembered))
    take = jax.jit(lambda window: encode(codec, window, shape))
    filled = []
    for song in range(len(songs)):
        window = window_at(corpus, song, jnp.int32(0), 48, max_notes(packed, 48))
        whole = codec.encode(window, codec.num_steps(48, max_notes(packed, 48)))
        when = np.asarray(clock(codec, whole[None], 0)[0, :-1])
        whole = np.asarray(whole)
        for start in (0, 1, 5, 17, 30, 40):
            tokens, first_tick, past = take(at(jnp.int32(song), jnp.int32(start)))
            here = (when >= start * 12) & (when < (start + beats) * 12) & (whole[:, 0] != ABSENT)
            own = np.asarray(tokens)[np.asarray(tokens)[:, 0] != ABSENT]
            # A rest that begins in the window may be longer than it, and the last shift is known to the song alone.
            np.testing.assert_array_equal(own[:-1], whole[here][: len(own) - 1])
            assert first_tick == when[here][0] - start * 12
            is_there = np.asarray(past.tokens)[:, 0] != ABSENT
            num = is_there.sum()
            assert is_there[len(is_there) - num :].all()  # next to the window
            before = np.flatnonzero((when < start * 12) & (whole[:, 0] != ABSENT))[-num:] if num else []
            # Of the notes that are struck with the first one remembered, some may be missing.
            old, tick = np.asarray(past.tokens)[is_there], np.asarray(past.tick)[is_there]
            some = tick > tick.min(initial=0)
            np.testing.assert_array_equal(old[some], whole[before].reshape(-1, whole.shape[1])[some])
            np.testing.assert_array_equal(tick[some], when[before][some] - start * 12 if num else [])
            filled.append(num)
    assert 0 in filled
    assert max(filled) >= remembered
