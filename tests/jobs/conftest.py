"""A job of a model that pretends."""

import pytest
from pretend_sampler import CONTROLS, pretend_sampler
from tiny import STYLES, make_weights

from configs import default
from drumjax.codecs.factory import make_codec
from drumjax.config.settings import make_settings
from drumjax.jobs.job import Job
from drumjax.runs.run import Run, make_model
from drumjax.sampling import blocks
from drumjax.sampling.plan import Plan


@pytest.fixture(scope="module")
def pretended():
    """Nothing of a job depends on what the model plays; what is tested with the model says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "make_sampler", pretend_sampler)
        yield


@pytest.fixture(scope="module")
def run(pretended) -> Run:
    config = default.get_config().to_dict()
    config["model"] |= {"hidden_size": 4, "embed_size": 4, "num_layers": 1, "lookback": False, "copy": False}
    config["codec"] |= {"velocity_bins": 4, "offset_bins": 4, "lookback_bars": 1}
    settings = make_settings(config)
    codec = make_codec(settings.codec)
    model = make_model(settings, codec, len(STYLES))
    return Run(settings, codec, model, make_weights(model), STYLES, step=12)


@pytest.fixture(scope="module")
def job(run) -> Job:
    """Two blocks, the second half full."""
    return Job(Plan(run, CONTROLS, seed=3, block_size=4), num_samples=6)
