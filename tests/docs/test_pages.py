"""Every documented command runs as written, at the smallest size."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs import smoke
from tests.docs.doc_blocks import Block, blocks, commands, overlooked
from tests.docs.execution import arguments, execute, why_not_run

PAGES = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples/README.md", *ROOT.glob("docs/*.md"))
    if path.exists()
)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_runs(page, workplace, repository):
    for block in blocks(repository / page):
        try:
            run_block(block, repository)
        except BaseException as error:
            error.add_note(f"{page}:{block.line}")
            raise


def run_block(block: Block, repository: Path) -> None:
    if block.language == "sh":
        for command in commands(block):
            execute(command, repository)
    elif block.language == "python":
        exec(compile(block.text, "documentation", "exec"), {"__name__": "documentation"})


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_command_is_hidden_from_this_test(page, repository):
    assert overlooked(repository / page) == []
    assert {block.language for block in blocks(repository / page)} <= {"sh", "python", "json", "yaml", "text", ""}


def test_reasons_belong_to_documented_commands(repository):
    """The table has no reasons for commands that are not on any page."""
    found = [command for page in PAGES for block in blocks(repository / page) if block.language == "sh"
             for command in commands(block)]  # fmt: skip
    reasons = {why_not_run(arguments(command, repository)) for command in found}
    assert set(smoke.NOT_RUN.values()) <= reasons


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page, repository):
    text = (repository / page).read_text("utf-8")
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (repository / page).parent.joinpath(target).exists(), target
