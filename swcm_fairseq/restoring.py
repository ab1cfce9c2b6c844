"""Find the checkpoint that fairseq is about to restore, because it tells neither the task nor the model."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from swcm_fairseq.checkpoint_state import Checkpoint

if TYPE_CHECKING:  # reports do not need fairseq
    from swcm_fairseq.run_options import RunOptions

LAST = "checkpoint_last.pt"


def restored_file(run: "RunOptions") -> str | None:
    """The file that ``fairseq-train`` will restore (see ``checkpoint_utils.load_checkpoint``), or None."""
    candidates = [run.restore_file]
    if run.restore_file == LAST:
        candidates = [str(Path(run.save_dir) / LAST), run.continue_once or run.finetune_from_model or ""]
    return next((path for path in candidates if Path(path).is_file()), None)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a fairseq checkpoint; its tensors stay in the file until they are used.

    Raises:
        DamagedFileError: the file is damaged, truncated or not a fairseq checkpoint.
        InputError: the file cannot be read or is unsafe.
    """

    from swcm_fairseq.interop.files import DamagedFileError, load_pickle

    try:
        state = load_pickle(Path(path), lazily=True)
    except DamagedFileError as error:
        raise DamagedFileError(f"{path}: not a readable checkpoint (damaged or truncated?); give another") from error
    if not isinstance(state, dict) or not isinstance(state.get("model", {}), dict):
        raise DamagedFileError(f"{path}: not a fairseq checkpoint; give one saved by fairseq-train")
    return cast(Checkpoint, state)
