"""What lies in cluster/ is what the engines take, and its commands do what they say."""

import re
import shlex

import kubernetes_validate
import pytest
import yaml
from tiny_run import ROOT

from drumjax.commands.sample import choose_shard, make_command_line
from drumjax.jobs.shard import Shard

FOLDER = ROOT / "cluster"


@pytest.fixture(scope="module")
def job() -> dict:
    return yaml.safe_load((FOLDER / "kubernetes_sample.yaml").read_text())


def parse(*args: str):
    line = make_command_line()
    line.parse(["run_sample.py", *args])
    return line.values


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_each_is_short(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120


def test_kubernetes_takes_the_job(job):
    """By the published schema of the first version that has all that is used, and of a later one."""
    for version in ("1.29", "1.34"):
        kubernetes_validate.validate(job, version, strict=True)


def test_the_pods_of_the_job_make_its_shards(job, monkeypatch):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    count = job["spec"]["completions"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    for name, value in {**environment, "JOB_COMPLETION_INDEX": "5"}.items():
        monkeypatch.setenv(name, value)
    command, *args = container["args"]
    assert command == "sample"
    given = parse(*args)
    assert choose_shard(given) == Shard(5, count)
    assert (given.num_samples, given.format) == (1_000_000, "parquet")


def test_the_nodes_of_a_cloud_make_its_shards(monkeypatch):
    task = yaml.safe_load((FOLDER / "skypilot.yaml").read_text())
    (command,) = re.findall(r"run_sample\.py (.*)", task["run"].replace("\\\n", " "))
    nodes = {"$SKYPILOT_NODE_RANK": "7", "$SKYPILOT_NUM_NODES": str(task["num_nodes"])}
    for name, value in nodes.items():
        command = command.replace(name, value)
    given = parse(*shlex.split(command))
    assert choose_shard(given) == Shard(7, 8)
    assert given.out_dir.startswith(next(iter(task["file_mounts"])))
