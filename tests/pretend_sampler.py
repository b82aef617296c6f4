"""A sampler that pretends, and what it is asked for."""

import functools

import jax
import numpy as np
from tiny import random_tokens

from drumjax.codecs.base import CENTRE
from drumjax.config.controls import Controls
from drumjax.sampling.request import Samples

TEMPERATURE = {"hits": 1.0, "velocity": 0.9, "offset": 0.8}
CONTROLS = Controls(bars=2, bpm=101.0, style="rock", temperature=TEMPERATURE, top_p=0.95)


@functools.cache
def pretend_sampler(model, codec, options=None, *, guided=False, hears=False, limited=True):
    """In the place of the model's: random tokens, of the key and each sample's number alone, where the key is."""

    def sample(weights, key, request):
        (seed,), numbers = jax.random.key_data(key)[-1:].tolist(), request.number.tolist()
        tokens = np.stack([random_tokens(1000 * seed + n, request.clamp.shape[1], codec=codec) for n in numbers])
        nll = np.float32([[1 + seed, 2 + n, 3] for n in numbers])
        return jax.device_put(Samples(tokens, np.full(tokens.shape, CENTRE, np.float32), nll), key.sharding)

    return sample
