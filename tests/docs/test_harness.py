"""The code that runs the documentation finds all commands, and fails for wrong ones."""

import pytest

from tests.docs.doc_blocks import blocks, commands, overlooked
from tests.docs.execution import arguments, execute, small, why_not_run

PAGE = """# Title

```sh
# a comment
python -m preprocess.stats data-bin \\
    --alpha 0.3    # at the end
SCALE=smoke make demo
```

```text
output
```

    indented
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, "utf-8")
    return path


def test_commands_of_a_page(page, repository):
    first, second = blocks(page)
    assert (first.language, first.line, second.language) == ("sh", 4, "text")
    assert commands(first) == ["python -m preprocess.stats data-bin --alpha 0.3 # at the end", "SCALE=smoke make demo"]
    assert arguments(commands(first)[0], repository)[-2:] == ["--alpha", "0.3"]
    assert overlooked(page) == []


@pytest.mark.parametrize("line", ["```text\nfairseq-train data\n```", "    $ python -m x", "```\nA=b make demo\n```"])
def test_a_command_in_another_block_is_found(page, line):
    page.write_text(f"{PAGE}\n{line}\n", "utf-8")
    assert len(overlooked(page)) == 1


def test_several_processes_become_one(repository):
    words = arguments("torchrun --nproc_per_node 2 $(which fairseq-train) data --arch xlm_swcm_base --fp16", repository)
    assert words == ["fairseq-train", "data", "--arch", "xlm_swcm_base", "--fp16"]
    assert small(words)[:4] == ["fairseq-train", "data", "--arch", "xlm_swcm_tiny"]
    assert "--fp16" not in small(words) and "--cpu" in small(words)


@pytest.mark.parametrize(
    "command",
    [
        "curl https://example.org",  # neither run nor listed
        "python -m preprocess.stats no-such-directory",
        "python -m preprocess.stats --no-such-option data-bin",
        "swcm convert name --hub --no-such-option",
        "examples/pretraining/single_gpu.sh --no-such-option",
        "make no-such-target",
        "python -m preprocess.stats data-bin | head",
    ],
)
def test_a_wrong_command_fails(command, repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((AssertionError, SystemExit, ValueError)):
        execute(command, repository)


def test_commands_that_are_not_run_have_a_reason():
    assert why_not_run("swcm convert hfl/x --hub --output y".split())
    assert why_not_run("swcm convert hfl/x --output y".split()) is None
