"""``swcm merge-settings``: the grid of each method as options that ``swcm merge`` accepts, and settings joined."""

import shlex

import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.merge.__main__ import build_parser
from swcm_fairseq.merge.merge_recipe import make_recipe
from swcm_fairseq.merge.merge_settings import joined, main, settings_to_try
from swcm_fairseq.merge.method_table import METHODS


@pytest.fixture
def printed(capsys):
    def run(*words: str) -> list[list[str]]:
        main([*words])
        return [shlex.split(line) for line in capsys.readouterr().out.splitlines()]

    return run


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("average", [["--weights", "0.3,0.7"], ["--weights", "1.0,0"]]),
        ("task-arithmetic", [["--base", "my base.pt", "--lambda", value] for value in ("0.3", "1.0")]),
        *(
            (
                method,
                [
                    ["--base", "my base.pt", "--densities", pair]
                    for pair in ("0.3,0.3", "0.3,1.0", "1.0,0.3", "1.0,1.0")
                ],
            )
            for method in ("ties", "ties-sv", "dare", "dare-ties")
        ),
    ],
)
def test_each_line_is_a_setting_that_merge_accepts(printed, method, lines):
    assert method in METHODS
    assert printed(method, "0.3 1.0", "--base", "my base.pt") == printed(method, "0.3", "1.0", "--base", "my base.pt")
    assert printed(method, "0.3 1.0", "--base", "my base.pt") == lines
    for line in lines:
        words = ["task.pt", "language.pt", "--method", method, *line, "--output", "merged.pt"]
        args = build_parser().parse_args(words)
        make_recipe(args.method, 2, base=args.base, weights=args.weights, densities=args.densities, scale=args.scale)


def test_weights_add_up_to_one_without_rounding_errors():
    values = [value for _, value in settings_to_try(METHODS["average"], ["0.1", ".35", "0.9", "0.123"])]
    assert values == ["0.1,0.9", ".35,0.65", "0.9,0.1", "0.123,0.877"]


@pytest.mark.parametrize("words", [["average", "0.4 x"], ["ties", "0.2", "x"], ["ties", ""]])
def test_other_words_than_numbers_are_refused(words):
    with pytest.raises(InputError, match="give numbers separated by spaces"):
        main(words)


def test_densities_of_several_languages(printed):
    """Section 7.1: each language keeps its own, and the task has that of the first language."""
    assert joined(["0.2,1.0", "0.4,0.8", "0.6,0.01"]) == "0.2,1.0,0.8,0.01"
    assert printed("ties", "--join", "0.2,1.0", "0.4,0.8") == [["0.2,1.0,0.8"]]
