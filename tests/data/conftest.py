"""What the tests of reading share."""

import pytest

from drumjax.data import read_worker


@pytest.fixture
def read_names(monkeypatch) -> list[str]:
    """The names of the files that read_midi is called for in this process."""
    names, read_midi = [], read_worker.read_midi

    def read(path, **kwargs):
        names.append(path.name)
        return read_midi(path, **kwargs)

    monkeypatch.setattr(read_worker, "read_midi", read)
    return names
