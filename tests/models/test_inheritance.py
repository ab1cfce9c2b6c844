"""Inherited layers: the tensors they copy, the results they compute, and an independent reading of the paper."""

import math

import pytest
import torch
from torch import Tensor, nn

from swcm_fairseq.models.attention import CausalMask
from swcm_fairseq.models.inheritance import INHERITED_FROM, inherit
from swcm_fairseq.models.layers import InheritedDecoderLayer
from swcm_fairseq.models.norms import DEFAULT_EPS


@pytest.mark.parametrize("options", [{}, {"duplicate_inserted_layers": True}, {"separate_embeddings": True}])
def test_every_tensor_equals_its_source(build, options):
    model = build(**options)
    copied = inherit(model.encoder, model.decoder, model.cfg)
    for i, planned in enumerate(model.decoder.plan):
        names = {name for name, _ in model.decoder.layers[i].named_parameters()}
        if planned.encoder_layer is None:
            assert not any(name.startswith(f"layers.{i}.") for name in copied)
            continue
        source = dict(model.encoder.layers[planned.encoder_layer].named_parameters())
        for name in names:
            block = next(block for block in INHERITED_FROM if name.startswith(f"{block}."))
            expected = source[INHERITED_FROM[block] + name.removeprefix(block)]
            assert torch.equal(model.decoder.layers[i].get_parameter(name), expected), name
            assert f"layers.{i}.{name}" in copied
    for name in ("embed_positions.weight", "layernorm_embedding.weight", "layernorm_embedding.bias"):
        assert torch.equal(model.decoder.get_parameter(name), model.encoder.get_parameter(name))
    assert torch.equal(model.output_weight, model.encoder.embed_tokens.weight)


class Nothing(nn.Module):
    """Attention that adds nothing."""

    def forward(self, query, key, value, **kwargs):
        return torch.zeros_like(query), None


@pytest.mark.parametrize("half", ["self-attention and FFN1", "cross-attention and FFN2"])
def test_each_half_is_the_encoder_layer(build, batch, monkeypatch, half):
    """Without the other half and the causal mask, each half computes exactly the same as its encoder layer.

    Cross-attention attends to the layer's own input.
    """
    model = build()
    inherit(model.encoder, model.decoder, model.cfg)
    layer, source = model.decoder.layers[0], model.encoder.layers[0]
    x = torch.randn(9, 3, 16, generator=torch.Generator().manual_seed(2))
    padding = batch["src_tokens"].eq(1)
    first = half.startswith("self")
    skipped = ("encoder_attn", "fc3") if first else ("self_attn", "fc1")
    norms = ("encoder_attn_layer_norm", "final_layer_norm") if first else ("self_attn_layer_norm", "ffn1_layer_norm")
    feed_forward, skipped_ffn = layer._feed_forward, layer.get_submodule(skipped[1])

    def ffn(x, inner, outer):
        return torch.zeros_like(x) if inner is skipped_ffn else feed_forward(x, inner, outer)

    monkeypatch.setattr(layer, "_feed_forward", ffn)
    setattr(layer, skipped[0], Nothing())
    for norm in norms:
        setattr(layer, norm, nn.Identity())
    out, _, _ = layer(x, x, padding, self_attn_mask=None, self_attn_padding_mask=padding)
    assert torch.equal(out, source(x, padding))


class PaperLayer(nn.Module):
    """An independent implementation of section 3.2 without fairseq: batch first, plain matrices, explicit softmax."""

    def __init__(self, width: int, inner: int, heads: int):
        super().__init__()
        self.heads = heads
        self.projections = nn.ModuleDict(
            {f"{block}_{name}": nn.Linear(width, width) for block in ("self", "cross") for name in "qkvo"}
        )
        self.ffn = nn.ModuleDict(
            {
                name: nn.Linear(*size)
                for n in "12"
                for name, size in ((f"in{n}", (width, inner)), (f"out{n}", (inner, width)))
            }
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=DEFAULT_EPS) for _ in range(4))

    def attention(self, block: str, queries: Tensor, keys: Tensor, allowed: Tensor) -> Tensor:
        """queries [B, T, C], keys [B, S, C], allowed bool [B, T, S]."""
        batch, length, width = queries.shape

        def heads(name: str, x: Tensor) -> Tensor:
            return self.projections[f"{block}_{name}"](x).reshape(batch, -1, self.heads, width // self.heads)

        scores = torch.einsum("bthd,bshd->bhts", heads("q", queries), heads("k", keys)) / math.sqrt(width // self.heads)
        weights = scores.masked_fill(~allowed[:, None], -torch.inf).softmax(-1)
        mixed = torch.einsum("bhts,bshd->bthd", weights, heads("v", keys)).reshape(batch, length, width)
        return self.projections[f"{block}_o"](mixed)

    def feed_forward(self, n: int, x: Tensor) -> Tensor:
        inner = self.ffn[f"in{n}"](x)
        return self.ffn[f"out{n}"](inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2))))

    def forward(self, x: Tensor, memory: Tensor, memory_padding: Tensor) -> Tensor:
        length = x.size(1)
        causal = torch.ones(length, length, dtype=torch.bool).tril().expand(x.size(0), -1, -1)
        seen = ~memory_padding[:, None, :].expand(-1, length, -1)
        x = self.norms[0](x + self.attention("self", x, x, causal))
        x = self.norms[1](x + self.feed_forward(1, x))
        x = self.norms[2](x + self.attention("cross", x, memory, seen))
        return self.norms[3](x + self.feed_forward(2, x))


# Our parameter -> parameter of the independent layer.
PAPER_NAMES = {
    **{f"self_attn.{letter}_proj": f"projections.self_{letter}" for letter in "qkv"},
    "self_attn.out_proj": "projections.self_o",
    "self_attn_layer_norm": "norms.0",
    "fc1": "ffn.in1",
    "fc2": "ffn.out1",
    "ffn1_layer_norm": "norms.1",
    **{f"encoder_attn.{letter}_proj": f"projections.cross_{letter}" for letter in "qkv"},
    "encoder_attn.out_proj": "projections.cross_o",
    "encoder_attn_layer_norm": "norms.2",
    "fc3": "ffn.in2",
    "fc4": "ffn.out2",
    "final_layer_norm": "norms.3",
}


def test_independent_layer_gives_the_same_outputs_and_gradients(build, batch):
    ours = next(layer for layer in build().decoder.layers if type(layer) is InheritedDecoderLayer)
    paper = PaperLayer(16, 32, 2)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            module, part = name.rsplit(".", 1)
            paper.get_submodule(PAPER_NAMES[module]).get_parameter(part).copy_(parameter)
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(3, 7, 16, generator=generator, requires_grad=True)
    memory = torch.randn(3, 9, 16, generator=generator, requires_grad=True)
    padding = batch["src_tokens"].eq(1)
    probe = torch.randn(3, 7, 16, generator=generator)

    out, _, _ = ours(x.transpose(0, 1), memory.transpose(0, 1), padding, self_attn_mask=CausalMask())
    out = out.transpose(0, 1)
    inputs = [x, memory]
    gradients = torch.autograd.grad((out * probe).sum(), [*inputs, *ours.parameters()])
    expected = paper(x, memory, padding)
    parameters = []
    for name, _ in ours.named_parameters():
        module, part = name.rsplit(".", 1)
        parameters.append(paper.get_submodule(PAPER_NAMES[module]).get_parameter(part))
    expected_gradients = torch.autograd.grad((expected * probe).sum(), [*inputs, *parameters])

    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, other, atol=1e-5, rtol=1e-5)
