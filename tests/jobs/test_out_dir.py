"""A folder for each call."""

import concurrent.futures

import pytest

from drumjax.jobs.out_dir import make_next_folder


def test_numbers_go_up_by_name_and_none_is_used_twice(tmp_path):
    (tmp_path / "samples" / "rock-007").mkdir(parents=True)
    (tmp_path / "samples" / "rock-old").mkdir()
    (tmp_path / "samples" / "rock-008").write_text("a file of the user's")
    folders = [make_next_folder(tmp_path / "samples", name) for name in ("rock", "jazz", "rock", "ro")]
    assert [folder.name for folder in folders] == ["rock-009", "jazz-001", "rock-010", "ro-001"]
    assert all(folder.is_dir() for folder in folders)


def test_calls_at_once_have_folders_of_their_own(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: make_next_folder(tmp_path / "samples", "rock"), range(24)))
    assert len(set(folders)) == 24


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "samples").write_text("")
    with pytest.raises(OSError, match="samples"):
        make_next_folder(tmp_path / "samples", "rock")
