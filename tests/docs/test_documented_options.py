"""Every option that the documentation mentions, even outside commands, is an option of some command."""

import contextlib
import io
import re

import pytest
from fairseq.optim.adam import FairseqAdamConfig

from swcm_fairseq import command_help
from swcm_fairseq.cli import COMMANDS
from tests.commands import FAIRSEQ, run
from tests.docs.test_pages import PAGES

FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9_-]*")
# Options that the help texts of these commands do not list.
OTHERS = {
    "--nproc_per_node", "--no-python",  # torchrun
    "--nodes", "--gpus-per-node",  # sbatch
    "--chrf-word-order",  # sacrebleu
    "--srcdict",  # fairseq-preprocess
    "--full-help", "--copy",  # swcm train, swcm recipes
    "--encoder-normalize-before", "--decoder-layers", "--adaptive-softmax-cutoff",  # documented as refused
}  # fmt: skip


@pytest.fixture(scope="module")
def known(repository) -> set[str]:
    """All options of fairseq's commands with the plugin, swcm's commands, the recipes and the benchmarks."""
    texts = [command_help.text()] + [help_of(program) for program in FAIRSEQ]
    texts += [
        f"--{name.replace('_', '-')}" for name in FairseqAdamConfig.__dataclass_fields__
    ]  # the help text lists no options of optimizers
    texts += [help_of("swcm", name) for name in COMMANDS]
    texts += [path.read_text("utf-8") for path in (repository / "examples").rglob("*.sh")]
    texts += [path.read_text("utf-8") for path in (repository / "benchmarks").glob("*.py")]
    return {flag for text in texts for flag in FLAG.findall(text)} | OTHERS


def help_of(*command: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        run(*command, "--help")
    return output.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_option_exists(page, repository, known):
    assert sorted(set(FLAG.findall((repository / page).read_text("utf-8"))) - known) == []
