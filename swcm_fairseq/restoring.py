"""Find the checkpoint that fairseq is about to restore, of which it tells neither task nor model."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from swcm_fairseq.checkpoint_state import Checkpoint

if TYPE_CHECKING:  # reports do without fairseq
    from swcm_fairseq.run_options import RunOptions

LAST = "checkpoint_last.pt"


def restored_file(run: "RunOptions") -> str | None:
    """The file that ``fairseq-train`` will restore (see ``checkpoint_utils.load_checkpoint``), if there is one."""
    candidates = [run.restore_file]
    if run.restore_file == LAST:
        candidates = [str(Path(run.save_dir) / LAST), run.continue_once or run.finetune_from_model or ""]
    return next((path for path in candidates if Path(path).is_file()), None)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """All of a checkpoint of fairseq's; its tensors stay in the file.

    Raises:
        DamagedFileError: it is cut off, or no checkpoint of fairseq's.
        InputError: it cannot be read, or is unsafe.
    """

    from swcm_fairseq.interop.files import DamagedFileError, load_pickle

    try:
        state = load_pickle(Path(path), lazily=True)
    except DamagedFileError as error:
        raise DamagedFileError(f"{path}: not a checkpoint that can be read (damaged, or cut off?)") from error
    if not isinstance(state, dict) or not isinstance(state.get("model", {}), dict):
        raise DamagedFileError(f"{path}: not a checkpoint of fairseq's; give one that fairseq-train has saved")
    return cast(Checkpoint, state)
