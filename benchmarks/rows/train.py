"""Row 1, train: a step of training a plain LSTM, forward, backward and update, at three sizes."""

from typing import Any

from benchmarks.contenders.drumjax_config import plain
from benchmarks.contest import Contest, Entry, Target
from benchmarks.options import Options

BATCH, BEATS, STEPS_PER_BEAT = 64, 32, 4
NUM_CHORDS = 512
PEAK_SIZE, GPU_PEAK_SIZE = 2048, 8192
PEAKS = ("matmul, XLA", "matmul, PyTorch")
# By hidden size, what PyTorch's seconds over ours should be at least, and what we would like.
TORCH_TARGETS = {128: (1.5, 1.8), 256: (1.4, 1.6), 512: (1.1, 1.4)}
# Of the machine's matrix products. More than this nobody gets, so no peer that is near it can be beaten by much.
NEAR_PEAK = 0.85
# Steps of a repeat, so that repeats take about a second.
NUM_STEPS = {128: 10, 256: 5, 512: 3}
GPU_STEPS = 50


def lstm_flops(hidden: int, tokens: int, num_layers: int = 2) -> float:
    """Floating point operations of a standard LSTM on so many tokens, forward, matrix products only, each 2mnk.

    Per token and layer: x W_x and h W_h, 2 * (H + H) * 4H; the head 2 * H * 512; the embedding is a look-up.
    """
    return float(tokens * (num_layers * 2 * (hidden + hidden) * 4 * hidden + 2 * hidden * NUM_CHORDS))


def training_flops(hidden: int, tokens: int) -> float:
    """The same of a training step: the backward pass has two products for each of the forward pass."""
    return 3 * lstm_flops(hidden, tokens)


def contests(options: Options) -> list[Contest]:
    if options.quick:
        return [_contest(options, 32, batch=8, beats=8, steps=2)]
    sizes = dict.fromkeys(NUM_STEPS, GPU_STEPS) if options.on_gpu else NUM_STEPS
    return [_contest(options, hidden, BATCH, BEATS, steps) for hidden, steps in sizes.items()]


def peaks(options: Options) -> tuple[Entry, ...]:
    """What the machine can do at best: one large product of each library."""
    size = GPU_PEAK_SIZE if options.on_gpu else PEAK_SIZE
    flops, case = 2.0 * size**3, {"size": size}
    threaded = {**case, "threads_wanted": options.threads, "device": options.device}
    return (
        Entry(PEAKS[0], "benchmarks.contenders.matmul:xla", case, flops=flops),
        Entry(PEAKS[1], "benchmarks.contenders.matmul:torch", threaded, needs=("torch",), flops=flops),
    )


def _contest(options: Options, hidden: int, batch: int, beats: int, steps: int) -> Contest:
    length = beats * STEPS_PER_BEAT
    tokens = batch * length
    sizes = {"hidden": hidden, "batch": batch, "length": length, "steps": steps}
    threaded = {"threads_wanted": options.threads, **sizes}
    ours: dict[str, Any] = {
        "config": "default",
        "changes": {**plain(hidden, batch, beats), "train.steps_per_call": steps},
        "dataset": options.dataset,
        "calls": 1,
    }
    work: dict[str, Any] = {"work": tokens, "flops": training_flops(hidden, tokens), "x": hidden}
    keras = "benchmarks.contenders.keras_lstm:train"
    make, torch = "benchmarks.contenders.drumjax_train:train", "benchmarks.contenders.torch_lstm:train"
    on_device = {**threaded, "device": options.device}
    entries = (
        Entry("drumjax", make, ours, **work),
        Entry("PyTorch", torch, on_device, needs=("torch",), **work),
        Entry("flax nnx.RNN", "benchmarks.contenders.nnx_rnn:train", sizes, **work),
        Entry("Keras on JAX", keras, threaded, needs=("keras",), env={"KERAS_BACKEND": "jax"}, **work),
        Entry("Keras on TensorFlow", keras, threaded, needs=("keras", "tensorflow"),
              env={"KERAS_BACKEND": "tensorflow"}, **work),
        *peaks(options),
    )  # fmt: skip
    if options.on_gpu:
        rounded = {**ours, "changes": {**ours["changes"], "train.matmul_precision": "bfloat16"}}
        entries += (
            Entry("drumjax, bfloat16", make, rounded, **work),
            Entry("PyTorch, bfloat16", torch, {**on_device, "bfloat16": True}, needs=("torch",), **work),
        )
    targets = (
        Target(("PyTorch",), "ratio", *TORCH_TARGETS.get(hidden, (1.5, 1.8)), peak=NEAR_PEAK),
        Target(("flax nnx.RNN",), "ratio", 1.3, 2.0, peak=NEAR_PEAK),
        Target(("Keras on JAX", "Keras on TensorFlow"), "ratio", 2.0, 4.0, peak=NEAR_PEAK),
    )
    title = f"2 x {hidden}, batch {batch}, {length} steps"
    return Contest("train", title, "16ths/s", entries, targets=targets, peaks=PEAKS)
