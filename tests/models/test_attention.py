"""scaled_dot_product_attention gives the same results as fairseq's own attention, without its masks and weights."""

import pytest
import torch
import torch.nn.functional as F
from fairseq.modules import MultiheadAttention

from swcm_fairseq.models.attention import Attention, CausalMask


def pair(**kind) -> tuple[Attention, MultiheadAttention]:
    torch.manual_seed(0)
    ours = Attention(16, 2, **kind).eval()
    theirs = MultiheadAttention(16, 2, **kind).eval()
    theirs.load_state_dict(ours.state_dict())
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    return ours, theirs


def test_cross_attention_equals_fairseqs():
    ours, theirs = pair(encoder_decoder_attention=True)
    query, key = torch.randn(5, 3, 16), torch.randn(6, 3, 16)
    padding = torch.arange(6)[None] >= torch.tensor([6, 2, 4])[:, None]
    arguments = {"query": query, "key": key, "value": key, "key_padding_mask": padding}
    out, weights = ours(**arguments, need_weights=False)
    expected, _ = theirs(**arguments)
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)
    assert weights is None
    torch.testing.assert_close(ours(**arguments)[1], theirs(**arguments)[1])  # weights on request


def test_half_precision_on_a_cpu_attends_in_float32():
    """The output is the float32 result for the rounded projections, rounded once."""
    ours, _ = pair(self_attention=True)
    half = Attention(16, 2, self_attention=True).eval().bfloat16()
    half.load_state_dict(ours.state_dict())
    half.out_proj = torch.nn.Identity()
    x = torch.randn(6, 3, 16).bfloat16()
    out, _ = half(x, x, x, need_weights=False, attn_mask=CausalMask())
    q, k, v = (half._split_heads(layer(x)).float() for layer in (half.q_proj, half.k_proj, half.v_proj))
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True).permute(2, 0, 1, 3).reshape(6, 3, 16)
    assert torch.equal(out, expected.bfloat16())


@pytest.mark.parametrize("side", ["right", "left", "none"])
def test_causal_mask_equals_fairseqs(side):
    ours, theirs = pair(self_attention=True)
    x = torch.randn(6, 3, 16)
    lengths = torch.tensor([6, 2, 4])[:, None]
    tokens = torch.full((3, 6), 5)
    if side == "right":
        tokens[torch.arange(6)[None] >= lengths] = 1
    if side == "left":
        tokens[torch.arange(6)[None] < 6 - lengths] = 1
    mask = CausalMask.of(tokens, 1)
    assert (mask.blocked is None) == (side != "left")
    padding = tokens.eq(1)
    out, _ = ours(x, x, x, key_padding_mask=padding, need_weights=False, attn_mask=mask)
    future = torch.full((6, 6), -torch.inf).triu(1)
    expected, _ = theirs(x, x, x, key_padding_mask=padding, need_weights=False, attn_mask=future)
    real = ~padding.T
    torch.testing.assert_close(out[real], expected[real], atol=1e-6, rtol=0)
    assert out.isfinite().all()


def test_training_builds_no_mask_over_target_pairs(build, batch, monkeypatch):
    """In a right-padded batch, every decoder self-attention uses is_causal and no mask at all."""
    calls = []
    original = F.scaled_dot_product_attention

    def spy(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False):
        calls.append((q.size(-2), k.size(-2), attn_mask, is_causal))
        return original(q, k, v, attn_mask=attn_mask, dropout_p=dropout_p, is_causal=is_causal)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    monkeypatch.setattr(MultiheadAttention, "forward", None)  # fairseq's own attention is never used
    model = build().train()
    model(**batch)
    decoder_layers, encoder_layers = len(model.decoder.layers), len(model.encoder.layers)
    causal = [call for call in calls if call[3]]
    assert len(causal) == decoder_layers
    assert all(mask is None for _, _, mask, _ in causal)
    assert len(calls) == 2 * decoder_layers + encoder_layers
    assert not any(mask is not None and mask.size(-2) > 1 for _, _, mask, _ in calls)


def test_alignment_weights_only_on_demand(build, batch):
    model = build()
    with torch.no_grad():
        x, extra = model(**batch)
        assert extra["attn"] == [None]
        aligned, extra = model(**batch, alignment_layer=1)
        model.make_generation_fast_(need_attn=True)  # what --print-alignment does
        again, last = model(**batch)
    assert extra["attn"][0].shape == (3, 7, 9)
    torch.testing.assert_close(extra["attn"][0].sum(-1), torch.ones(3, 7))
    assert last["attn"][0].shape == (3, 7, 9)
    torch.testing.assert_close(aligned, x, atol=1e-5, rtol=0)
    torch.testing.assert_close(again, x, atol=1e-5, rtol=0)


def test_attention_dropout_is_applied():
    ours = Attention(16, 2, dropout=0.5, self_attention=True).train()
    x = torch.randn(6, 3, 16)
    first, second = (ours(x, x, x, need_weights=False)[0] for _ in range(2))
    assert not torch.equal(first, second)


@pytest.fixture
def masks(monkeypatch):
    """The masks passed to attention, in order."""
    seen = []
    original = F.scaled_dot_product_attention

    def spy(q, k, v, attn_mask=None, **options):
        seen.append(attn_mask)
        return original(q, k, v, attn_mask=attn_mask, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    return seen


@pytest.mark.parametrize("said", [True, False])
def test_no_mask_without_padding(build, batch, masks, said):
    """Neither the encoder nor cross-attention gets a mask, whether or not the caller reports the lack of padding."""
    model, lengths = build().train(), batch["src_lengths"]
    source = batch["src_tokens"][:, : int(lengths.min())]
    flags = {"source_padded": False, "left_padded": False} if said else {}
    model(source, lengths, batch["prev_output_tokens"], **flags)
    assert masks and all(mask is None for mask in masks)
    masks.clear()
    flags = {"source_padded": True, "left_padded": False} if said else {}
    model(**batch, **flags)
    assert sum(mask is not None for mask in masks) == len(model.encoder.layers) + len(model.decoder.layers)


def test_projections_of_one_input_are_one_product(build, batch, monkeypatch):
    products = []
    original = F.linear
    monkeypatch.setattr(F, "linear", lambda x, *rest: products.append(rest[0].shape) or original(x, *rest))
    model = build(encoder_layers=1, normal_layer_interval=0)
    model(**batch)
    width = model.cfg.encoder_embed_dim
    joined = [tuple(shape) for shape in products if shape[0] in (2 * width, 3 * width) and shape[1] == width]
    assert joined.count((3 * width, width)) == 2 and (2 * width, width) in joined


def test_scheduled_sampling_computes_keys_and_values_once(build, batch, monkeypatch):
    """Results and gradients are the same as without sharing, with half the products."""
    model = build()
    calls = []
    original = Attention.project

    def counting(self, x, *projections):
        calls.append(self.encoder_decoder_attention and len(projections) == 2)
        return original(self, x, *projections)

    monkeypatch.setattr(Attention, "project", counting)

    def run():
        calls.clear()
        model.zero_grad()
        x, _ = model(**batch, sample_inputs=lambda features, weight, tokens: tokens.roll(1, 0))
        x.sum().backward()
        return x, [p.grad.clone() for p in model.parameters()], sum(calls)

    shared = run()
    monkeypatch.setattr(model.decoder.cfg, "checkpoint_activations", True)  # makes every pass compute its own
    apart = run()
    assert (shared[2], apart[2]) == (len(model.decoder.layers), 2 * len(model.decoder.layers))
    assert torch.equal(shared[0], apart[0])
    for one, other in zip(shared[1], apart[1], strict=True):
        torch.testing.assert_close(one, other)
    assert all(module.given_keys is None for module in model.modules() if isinstance(module, Attention))


@torch.no_grad()
@pytest.mark.parametrize("common", [2, 3, 5])
def test_words_that_all_beams_share_stay_when_beams_move(common):
    """Leaving the common positions in place keeps the same keys and values as copying everything."""
    ours, _ = pair(self_attention=True)
    words = torch.randn(6, 4, 16)
    words[:common] = words[:common, :1]  # the same in all four rows
    order, states = torch.tensor([2, 2, 0, 3]), [{}, {}]
    for state, shared in zip(states, (0, common), strict=True):
        for word in words:
            ours(word[None], word[None], word[None], incremental_state=state, need_weights=False)
        ours.reorder_incremental_state(state, order, shared)
    copied, kept = (ours._get_input_buffer(state) for state in states)
    for name in ("prev_key", "prev_value"):
        assert torch.equal(copied[name], kept[name])
