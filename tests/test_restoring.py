import pytest

from swcm_fairseq.restoring import restored_file
from swcm_fairseq.run_options import RunOptions


@pytest.mark.parametrize(
    ("there", "options", "expected"),
    [
        ([], {}, None),
        (["checkpoint_last.pt", "other.pt"], {"finetune_from_model": "other.pt"}, "checkpoint_last.pt"),
        (["other.pt"], {"finetune_from_model": "other.pt"}, "other.pt"),
        (["other.pt", "once.pt"], {"finetune_from_model": "other.pt", "continue_once": "once.pt"}, "once.pt"),
        (["checkpoint_last.pt", "once.pt"], {"continue_once": "once.pt"}, "checkpoint_last.pt"),
        (["checkpoint_last.pt", "named.pt"], {"restore_file": "named.pt"}, "named.pt"),
        ([], {"finetune_from_model": "gone.pt"}, None),
    ],
)
def test_the_file_is_the_one_that_fairseq_restores(tmp_path, there, options, expected):
    for name in there:
        (tmp_path / name).touch()
    paths = {"restore_file": "checkpoint_last.pt", "finetune_from_model": None, "continue_once": None}
    paths |= {name: str(tmp_path / file) for name, file in options.items()}
    found = restored_file(RunOptions(save_dir=str(tmp_path), **paths))
    assert found == (str(tmp_path / expected) if expected else None)
