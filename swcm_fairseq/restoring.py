"""Which checkpoint fairseq is about to restore: it tells neither the task nor the model."""

from pathlib import Path

LAST = "checkpoint_last.pt"


def restored_file(
    save_dir: str, restore_file: str, finetune_from_model: str | None, continue_once: str | None = None
) -> str | None:
    """The file that ``fairseq-train`` will restore (see ``checkpoint_utils.load_checkpoint``), if there is one."""
    candidates = [restore_file]
    if restore_file == LAST:
        candidates = [str(Path(save_dir) / LAST), continue_once or finetune_from_model or ""]
    return next((path for path in candidates if Path(path).is_file()), None)
