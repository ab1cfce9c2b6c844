"""Run a benchmark's command line in this process."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture()
def run(tmp_path, monkeypatch) -> Callable[..., dict[str, Any]]:
    """Run ``module.main`` with arguments, check its Markdown, and return the content of its JSON file."""

    def call(module, *arguments: object) -> dict[str, Any]:
        question = module.__name__
        words = [f"{question}.py", *map(str, arguments), "--output", str(tmp_path / "results")]
        monkeypatch.setattr(sys, "argv", words)
        module.main()
        (file,) = (tmp_path / "results").glob(f"{question}_*.json")
        content = json.loads(file.read_text())
        text = file.with_suffix(".md").read_text()
        assert content["command"] in text and content["machine"] in text and content["versions"] in text
        assert all(
            len(row) == len(content["headers"]) and "| " + " | ".join(row) + " |" in text for row in content["rows"]
        )
        return content

    return call
