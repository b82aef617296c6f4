"""PyTorch: nn.LSTM between an embedding and a dense head, as anyone would write it; training and sampling.

Time-major, the layout nn.LSTM works in. It trains with oneDNN's kernels and with PyTorch's own, whichever is faster
here, and with the fused Adam.
"""

import functools
import time

import torch
from torch import nn

from benchmarks.contender import Contender, Figures, Repeat

NUM_CHORDS = 512
START = NUM_CHORDS  # heard before the first step
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

    def __init__(self, hidden: int):
        self.model = DrumLSTM(hidden)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)

    def step(self, inputs, targets) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        logits, _ = self.model(inputs)
        loss = nn.functional.cross_entropy(logits.view(-1, NUM_CHORDS), targets.reshape(-1), ignore_index=IGNORED)
        loss.backward()
        self.optimizer.step()


def set_threads(num_threads: int) -> None:
    torch.set_num_threads(num_threads)
    torch.manual_seed(0)


def threads() -> str:
    return str(torch.get_num_threads())


def train(threads_wanted: int, hidden: int, batch: int, length: int, steps: int) -> Contender:
    """Steps of training on random chords; seconds per step."""
    set_threads(threads_wanted)

    def make(onednn: bool) -> Repeat:
        trainer = Trainer(hidden)
        chords = torch.randint(NUM_CHORDS, (length + 1, batch))

        def repeat() -> Figures:
            torch.backends.mkldnn.set_flags(onednn)
            start = time.perf_counter()
            for _ in range(steps):
                trainer.step(chords[:-1], chords[1:])
            return {"seconds": (time.perf_counter() - start) / steps}

        return repeat

    modes = {"oneDNN": functools.partial(make, True), "ATen": functools.partial(make, False)}
    return Contender(modes, threads)


def sample(threads_wanted: int, hidden: int, batch: int, length: int) -> Contender:
    """Chords one step after another, the state carried; seconds per batch of samples."""
    set_threads(threads_wanted)

    def make(onednn: bool) -> Repeat:
        model = DrumLSTM(hidden).eval()

        @torch.inference_mode()
        def repeat() -> Figures:
            torch.backends.mkldnn.set_flags(onednn)
            start = time.perf_counter()
            chord, state, chords = torch.full((1, batch), START), None, []
            for _ in range(length):
                logits, state = model(chord, state)
                chord = torch.multinomial(torch.softmax(logits[0], dim=-1), 1).T
                chords.append(chord)
            torch.cat(chords)
            return {"seconds": time.perf_counter() - start}

        return repeat

    modes = {"oneDNN": functools.partial(make, True), "ATen": functools.partial(make, False)}
    return Contender(modes, threads)
