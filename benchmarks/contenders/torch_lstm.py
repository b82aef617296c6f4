"""PyTorch: nn.LSTM between an embedding and a dense head, as anyone would write it; training and sampling.

Time-major, the layout nn.LSTM works in. On a CPU with oneDNN's kernels or with PyTorch's own, whichever is faster here;
on a GPU with cuDNN's, in TensorFloat-32 or, asked for, in bfloat16 (autocast). It trains with the fused Adam.
"""

import functools
import time
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.contender import Contender, Figures, Repeat

NUM_CHORDS = 512
START = NUM_CHORDS  # heard before the first step
TORCH_DEVICE = {"cpu": "cpu", "gpu": "cuda"}
IGNORED = -100  # target beyond the end of a song; cross_entropy leaves it out


class DrumLSTM(nn.Module):
    """Chords [T, B] to logits [T, B, 512]."""

    def __init__(self, hidden: int, num_layers: int = 2):
        super().__init__()
        self.embed = nn.Embedding(NUM_CHORDS + 1, hidden)
        self.lstm = nn.LSTM(hidden, hidden, num_layers)
        self.head = nn.Linear(hidden, NUM_CHORDS)

    def forward(self, chords, state=None):
        output, state = self.lstm(self.embed(chords), state)
        return self.head(output), state


class Trainer:
    """A model, its optimizer, and one step of training on inputs and targets [T, B]."""

    def __init__(self, hidden: int, device: str = "cpu", bfloat16: bool = False):
        self.device, self.bfloat16 = device, bfloat16
        self.model = DrumLSTM(hidden).to(TORCH_DEVICE[device])
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)

    def step(self, inputs, targets) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(TORCH_DEVICE[self.device], torch.bfloat16, enabled=self.bfloat16):
            logits, _ = self.model(inputs)
            loss = nn.functional.cross_entropy(logits.view(-1, NUM_CHORDS), targets.reshape(-1), ignore_index=IGNORED)
        loss.backward()
        self.optimizer.step()


def set_threads(num_threads: int) -> None:
    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = True  # as XLA has it


def wait(device: str) -> None:
    """For what a GPU still has to do."""
    if device == "gpu":
        torch.cuda.synchronize()


def used(device: str) -> Callable[[], str]:
    """Tells what it computes with: threads, or the GPU."""
    return torch.cuda.get_device_name if device == "gpu" else lambda: str(torch.get_num_threads())


def train(
    threads_wanted: int,
    hidden: int,
    batch: int,
    length: int,
    steps: int,
    device: str = "cpu",
    bfloat16: bool = False,
) -> Contender:
    """Steps of training on random chords; seconds per step."""
    set_threads(threads_wanted)

    def make(onednn: bool) -> Repeat:
        trainer = Trainer(hidden, device, bfloat16)
        chords = torch.randint(NUM_CHORDS, (length + 1, batch), device=TORCH_DEVICE[device])

        def repeat() -> Figures:
            torch.backends.mkldnn.set_flags(onednn)
            start = time.perf_counter()
            for _ in range(steps):
                trainer.step(chords[:-1], chords[1:])
            wait(device)
            return {"seconds": (time.perf_counter() - start) / steps}

        return repeat

    if device == "gpu":
        return Contender({"cuDNN": functools.partial(make, False)}, used(device))
    modes = {"oneDNN": functools.partial(make, True), "ATen": functools.partial(make, False)}
    return Contender(modes, used(device))


def sample(threads_wanted: int, hidden: int, batch: int, length: int, device: str = "cpu") -> Contender:
    """Chords one step after another, the state carried; seconds per batch of samples."""
    set_threads(threads_wanted)
    if device == "gpu":
        modes = {"step by step": _stepper, "CUDA graph of a step": _replayer}
        return Contender(
            {name: functools.partial(make, hidden, batch, length) for name, make in modes.items()}, used(device)
        )

    def make(onednn: bool) -> Repeat:
        play = _stepper(hidden, batch, length, "cpu")

        def repeat() -> Figures:
            torch.backends.mkldnn.set_flags(onednn)
            return play()

        return repeat

    modes = {"oneDNN": functools.partial(make, True), "ATen": functools.partial(make, False)}
    return Contender(modes, used(device))


def _stepper(hidden: int, batch: int, length: int, device: str = "gpu") -> Repeat:
    model = DrumLSTM(hidden).eval().to(TORCH_DEVICE[device])

    @torch.inference_mode()
    def repeat() -> Figures:
        start = time.perf_counter()
        chord, state, chords = torch.full((1, batch), START, device=TORCH_DEVICE[device]), None, []
        for _ in range(length):
            logits, state = model(chord, state)
            chord = torch.multinomial(torch.softmax(logits[0], dim=-1), 1).T
            chords.append(chord)
        torch.cat(chords)
        wait(device)
        return {"seconds": time.perf_counter() - start}

    return repeat


@torch.inference_mode()
def _replayer(hidden: int, batch: int, length: int) -> Repeat:
    """The kernels of a step recorded once and started together, which spares their launches."""
    model = DrumLSTM(hidden).eval().cuda()
    chord = torch.full((1, batch), START, device="cuda")
    state = [torch.zeros(2, batch, hidden, device="cuda") for _ in range(2)]

    def step() -> None:
        logits, after = model(chord, tuple(state))
        chord.copy_(torch.multinomial(torch.softmax(logits[0], dim=-1), 1).T)
        for old, new in zip(state, after, strict=True):
            old.copy_(new)

    beside = torch.cuda.Stream()
    with torch.cuda.stream(beside):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    @torch.inference_mode()
    def repeat() -> Figures:
        start = time.perf_counter()
        chord.fill_(START)
        for part in state:
            part.zero_()
        chords = []
        for _ in range(length):
            graph.replay()
            chords.append(chord.clone())
        torch.cat(chords)
        wait("gpu")
        return {"seconds": time.perf_counter() - start}

    return repeat
