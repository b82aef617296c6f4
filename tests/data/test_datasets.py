"""Settings, fallback, starter grooves, and real data."""

import hashlib
import json
import socket

import pytest
from song_files import assert_same_songs, load_folder

from configs import default
from drumjax.config.checks import SettingsError
from drumjax.config.data import DataSettings
from drumjax.config.settings import make_settings
from drumjax.data import groove_midi as groove
from drumjax.data.datasets import DatasetError, load_dataset
from drumjax.data.selection import select
from drumjax.music.notes import FILL_NO, FILL_YES


@pytest.fixture(autouse=True)
def no_real_cache(monkeypatch, tmp_path):
    """Whatever forgets to pass cache_dir writes below tmp_path, not into the user's cache."""
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "user_cache"))


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": "grove"},
        {"fill": "fills"},
        {"instrument": "piano"},
        {"styles": "rock"},
        {"drummers": (1,)},
        {"validation_fraction": 0.0},
        {"validation_fraction": float("nan")},
    ],
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(SettingsError, match=r"config\.data(\.|: .*)" + next(iter(settings))):
        DataSettings(**settings)


def test_settings_from_json_have_lists():
    config = default.get_config().to_dict() | {"data": json.loads('{"styles": ["rock"]}')}
    assert make_settings(config).data == DataSettings(styles=("rock",))


@pytest.fixture
def no_network(monkeypatch):
    """The address of the dataset is a port at which nobody listens."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("DRUMJAX_DATA", raising=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(groove, "GROOVE_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/groove.zip")
        yield


def test_no_network_falls_back_to_the_starter_grooves_loudly(tmp_path, no_network, caplog):
    dataset = load_dataset(DataSettings(), cache_dir=tmp_path / "cache")
    assert dataset.songs
    assert dataset.source.startswith("starter grooves (synthetic), because the Groove MIDI Dataset")
    assert any(r.levelname == "WARNING" and "NOT THE Groove MIDI Dataset" in r.getMessage() for r in caplog.records)


def test_fallback_ignores_filters_that_the_starter_grooves_cannot_meet(tmp_path, no_network, caplog):
    dataset = load_dataset(DataSettings(drummers=("drummer1",)), cache_dir=tmp_path / "cache")
    assert dataset.songs
    assert dataset.source.endswith("(filters not applied)")


def test_no_network_without_fallback_is_an_error(tmp_path, no_network):
    with pytest.raises(DatasetError, match=r"check the network, or set config\.data\.dir"):
        load_dataset(DataSettings(fallback=False), cache_dir=tmp_path / "cache")


def test_starter(tmp_path):
    dataset = load_dataset(DataSettings(dataset="starter"), cache_dir=tmp_path / "cache")
    assert dataset.source == "starter grooves (synthetic)"
    assert_same_songs(dataset.songs, load_dataset(DataSettings(dataset="starter")).songs)
    assert not (tmp_path / "user_cache").exists()


@pytest.mark.slow
def test_real_groove(real_groove, shared_data, song_cache_dir):
    again = load_dataset(DataSettings(dir=str(shared_data / "groove")), cache_dir=song_cache_dir)
    assert_same_songs(real_groove.songs, again.songs)
    train, validation = (select(real_groove.songs, split=split) for split in ("train", "validation"))
    assert (len(train), len(validation), real_groove.skipped) == (897, 124, {})
    rock = [len(select(songs, styles=("rock",), fill="beat")) for songs in (train, validation)]
    assert rock == [173, 17]
    assert {song.fill for song in real_groove.songs} == {FILL_NO, FILL_YES}


def test_real_piano(shared_data, tmp_path):
    """A few pieces, chosen by hash so that the choice never changes; no drums, and all of them with instrument=all."""
    source = shared_data / "piano_midi_de"
    paths = sorted(source.rglob("*.mid"), key=lambda path: hashlib.sha256(path.name.encode()).digest())[:3]
    if not paths:
        pytest.skip("no piano here")
    (tmp_path / "songs").mkdir()
    for path in paths:
        (tmp_path / "songs" / path.name).symlink_to(path)
    songs = load_folder(tmp_path / "songs", tmp_path, instrument="all").songs  # in parts, where the metre changes
    assert {song.name.partition(" (")[0] for song in songs} == {path.name for path in paths}
    with pytest.raises(DatasetError, match="instrument=all"):
        load_folder(tmp_path / "songs", tmp_path)


def test_real_broken_files_are_each_song_or_reason(shared_data, tmp_path):
    source = shared_data / "broken_midi"
    if not source.is_dir():
        pytest.skip("no broken files here")
    dataset = load_folder(source, tmp_path, instrument="all")
    names = {song.name.partition(" (")[0] for song in dataset.songs}
    assert len(names) + sum(map(len, dataset.skipped.values())) == len(list(source.glob("*.mid")))
    assert not any(reason.startswith("unexpected") for reason in dataset.skipped)
