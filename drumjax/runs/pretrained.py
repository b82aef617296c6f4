"""Where a model is: a run's folder, a model file, or one of those that come with drumjax, by its name."""

from pathlib import Path

from drumjax.system.errors import UserError
from drumjax.system.files import user_path

DEFAULT = "rock"
SUFFIX = ".safetensors"
FOLDER = Path(__file__).resolve().parents[1] / "pretrained"


class ModelChoiceError(UserError):
    """Two models are named where one plays; one line says which."""


def pretrained_names() -> list[str]:
    """The models that come with drumjax."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def find_model(where: str | Path) -> Path:
    """The path itself; where there is nothing and the text is the name of a model that comes with drumjax, its file."""
    path = user_path(where)
    return FOLDER / f"{where}{SUFFIX}" if not path.exists() and str(where) in pretrained_names() else path


def choose_model(workdir: str | None, model: str | None) -> Path:
    """What plays where a program has been given a run's folder, or a model file or name, or neither.

    Raises ModelChoiceError if both are given.
    """
    if workdir and model:
        raise ModelChoiceError(
            f"--workdir is {workdir} and --model is {model}: which of them is to play? Leave one out"
        )
    return find_model(workdir or model or DEFAULT)


def model_name(path: Path) -> str:
    """What a model is called in titles and folders: the name of its run or file."""
    name = path.resolve().name
    return name.removesuffix(SUFFIX)
