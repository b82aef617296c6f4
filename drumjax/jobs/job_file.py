"""What a folder that shards write to says of their job, so that it can be told what is missing."""

import dataclasses
import json
from pathlib import Path

from drumjax.sampling.piece import RequestError
from drumjax.system.files import write_atomically
from drumjax.system.strict_json import read_json

JOB_FILE = "job.json"


@dataclasses.dataclass(frozen=True)
class JobFile:
    """The identity of a job, how many samples it asks for, in how many shards of blocks of which size, and as what."""

    job: str
    num_samples: int
    num_shards: int
    block_size: int
    format: str


def write_job_file(out_dir: Path, file: JobFile) -> None:
    """Each shard writes it, all the same. Raises RequestError where there is another file of its name, OSError."""
    if read_job_file(out_dir) != file:
        write_atomically(out_dir / JOB_FILE, (json.dumps(dataclasses.asdict(file), indent=2) + "\n").encode())


def read_job_file(out_dir: Path) -> JobFile | None:
    """None where there is none. Raises RequestError for a file that is something else."""
    path = out_dir / JOB_FILE
    try:
        values = read_json(path)
        if not isinstance(values, dict):
            raise TypeError("no object")
        file = JobFile(**values)
        if [type(value) for value in dataclasses.astuple(file)] != [str, int, int, int, str]:
            raise TypeError("values of other types")
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise RequestError(f"{path} is not what drumjax writes there ({error}); choose another --out_dir") from error
    return file


def remove_job_file(out_dir: Path) -> None:
    """Removes it; not another file of its name."""
    if read_job_file(out_dir) is not None:
        (out_dir / JOB_FILE).unlink()
