"""The committed fixtures, and a function that starts a model from a directory."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fairseq.data import Dictionary

from swcm_fairseq.data.vocabulary import MASK, dictionary_from_sentencepiece, load_sentencepiece
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig
from swcm_fairseq.models.start_report import StartReport
from swcm_fairseq.models.warm_start import load

FIXTURES = Path(__file__).with_name("fixtures")
SIZE = {
    "encoder_layers": 2,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "normal_layer_interval": 2,
    "max_source_positions": 40,
    "max_target_positions": 40,
}


@pytest.fixture
def fixture_copy(tmp_path) -> Callable[[str], Path]:
    """Copy a fixture directory, so that the test can change it."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(FIXTURES / name, tmp_path / name))

    return copy


@pytest.fixture
def dictionary() -> Dictionary:
    """The fixtures' vocabulary, as the task builds it from dict.txt."""
    dictionary = dictionary_from_sentencepiece(load_sentencepiece(FIXTURES / "xlmr" / "sentencepiece.bpe.model"))
    dictionary.add_symbol(MASK)
    return dictionary


@pytest.fixture
def start(dictionary) -> Callable[..., tuple[XLMSWCMModel, StartReport]]:
    """Build a model and load an encoder into it."""

    def start(path: Path, symbols: Dictionary = dictionary, **options) -> tuple[XLMSWCMModel, StartReport]:
        model = XLMSWCMModel.from_config(XLMSWCMConfig(**{**SIZE, **options}), symbols).eval()
        report = StartReport(str(path))
        load(model, read_encoder(path), symbols, report)
        return model, report

    return start
