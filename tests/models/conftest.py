"""Small models and batches that several tests share."""

from collections.abc import Callable

import pytest
import torch
from fairseq.data import Dictionary

from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig

SMALL = {
    "encoder_layers": 3,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "max_source_positions": 32,
    "max_target_positions": 32,
    "normal_layer_interval": 2,
}


@pytest.fixture
def dictionary() -> Dictionary:
    dictionary = Dictionary()
    for i in range(40):
        dictionary.add_symbol(f"▁w{i}")
    dictionary.add_symbol("<mask>")
    return dictionary


@pytest.fixture
def build(dictionary) -> Callable[..., XLMSWCMModel]:
    """Build a small model whose parameters are all random and large enough to reveal mistakes."""

    def build(seed: int = 0, **options) -> XLMSWCMModel:
        torch.manual_seed(seed)
        model = XLMSWCMModel.from_config(XLMSWCMConfig(**{**SMALL, **options}), dictionary)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                noise = torch.randn_like(parameter)
                parameter.copy_(1 + 0.2 * noise if "norm" in name and "weight" in name else 0.3 * noise)
        return model.eval()

    return build


@pytest.fixture
def batch(dictionary) -> dict[str, torch.Tensor]:
    """Three sentences, right-padded."""
    generator = torch.Generator().manual_seed(1)
    src = torch.randint(4, len(dictionary), (3, 9), generator=generator)
    tgt = torch.randint(4, len(dictionary), (3, 7), generator=generator)
    for row, (source, target) in enumerate(((9, 5), (4, 7), (6, 2))):
        src[row, source:] = dictionary.pad()
        tgt[row, target:] = dictionary.pad()
    return {"src_tokens": src, "src_lengths": src.ne(dictionary.pad()).sum(1), "prev_output_tokens": tgt}
