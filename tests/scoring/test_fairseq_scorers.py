"""The scorers as fairseq builds them."""

import pytest
from fairseq import options, scoring
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from omegaconf import OmegaConf

import swcm_fairseq  # noqa: F401  (registers the scorers)
from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.fairseq_scorers import RougeConfig

PAIRS = [("བོད་ཡིག་གི་ཡི་གེ།", "བོད་ཡིག་གི་ཡི་གེ།"), ("དཔེ་ཆ་", "དཔེ་ཀ")]


def from_command_line(*flags):
    """The scorer that fairseq-generate builds from these flags."""
    parser = options.get_generation_parser(default_task="translation")
    args = options.parse_args_and_arch(parser, ["data", "--path", "none", *flags])
    return scoring.build_scorer(convert_namespace_to_omegaconf(args).scoring, None)


@pytest.mark.parametrize("name,expected", [("rouge_l", 75.0), ("rouge_1", 75.0), ("rouge_2", 50.0)])
def test_language_of_the_task(name, expected):
    scorer = from_command_line("--scoring", name, "--target-lang", "bo")
    for reference, hypothesis in PAIRS:
        scorer.add_string(reference, hypothesis)
    assert scorer.score() == pytest.approx(expected)
    assert f"F1 = {expected:.2f} ± " in scorer.result_string()
    assert "2 lines" in scorer.result_string()
    assert "|lang:bo|tok:bo-syllable|" in scorer.result_string()


def test_flags_override_the_task():
    flags = ("--target-lang", "zh", "--rouge-lang", "kk", "--rouge-tokenizer", "zh-char", "--rouge-bootstrap", "0")
    scorer = from_command_line("--scoring", "rouge_l", *flags)
    scorer.add_string("今天", "今天")
    result = scorer.result_string()
    assert result.startswith("rougeL F1 = 100.00, P = 100.00, R = 100.00, 1 lines [rougeL|lang:kk|tok:zh-char|")


def test_each_language_has_its_own_scorer():
    """A task that validates several languages builds one scorer for each."""
    node = OmegaConf.create({"_name": "rouge_l", "rouge_lang": "bo"})
    scorer = scoring.build_scorer(node, None)
    scorer.add_string(*PAIRS[0])
    assert scorer.score() == 100.0


def test_nothing_to_score():
    scorer = scoring.build_scorer(OmegaConf.structured(RougeConfig(_name="rouge_l", rouge_lang="bo")), None)
    assert scorer.score() == 0.0
    assert "0 lines" in scorer.result_string()


def test_no_language_or_an_unknown_one_is_refused():
    with pytest.raises(InputError, match="add --target-lang or --rouge-lang"):
        from_command_line("--scoring", "rouge_l")
    with pytest.raises(InputError, match="no tokenizer is known for the language 'xx'"):
        from_command_line("--scoring", "rouge_l", "--target-lang", "xx")
