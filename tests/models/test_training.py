"""Requirements of training on ``forward``: two passes, output heads, dropout, freezing, checkpointing, epsilon."""

import copy

import pytest
import torch

from swcm_fairseq.errors import InputError


def gradients(model, batch, **options) -> dict[str, torch.Tensor | None]:
    model.zero_grad()
    torch.manual_seed(5)
    x, _ = model(**batch, **options)
    x.square().mean().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_forward_returns_logits_features_or_the_heads_output(build, batch):
    model = build()
    with torch.no_grad():
        logits, extra = model(**batch)
        features, _ = model(**batch, features_only=True)
        headed, _ = model(**batch, output_head=lambda x, weight: ("loss", x, weight))
    torch.testing.assert_close(logits, features @ model.output_weight.T)
    assert headed[0] == "loss"
    assert torch.equal(headed[1], features)
    assert headed[2] is model.output_weight
    assert torch.equal(extra["prev_output_tokens"], batch["prev_output_tokens"])


def test_the_second_pass_reads_the_sampled_inputs(build, batch):
    model = build().train()
    tokens = batch["prev_output_tokens"]
    sampled = tokens.clone()
    sampled[:, 1] = 7
    seen = {}

    def sample_inputs(features, output_weight, prev_output_tokens):
        seen.update(features=features, weight=output_weight, tokens=prev_output_tokens)
        return sampled

    logits, extra = model.eval()(**batch, sample_inputs=sample_inputs)
    direct, _ = model(**{**batch, "prev_output_tokens": sampled})
    assert torch.equal(logits, direct)
    assert extra["prev_output_tokens"] is sampled
    assert torch.equal(seen["tokens"], tokens)
    assert not seen["features"].requires_grad
    assert logits.requires_grad


@pytest.mark.parametrize("shared", [True, False])
def test_both_passes_can_share_dropout(build, batch, shared):
    model = build(dropout=0.3, attention_dropout=0.3).train()
    first = []

    def sample_inputs(features, output_weight, prev_output_tokens):
        first.append(features)
        torch.rand(3)
        return prev_output_tokens

    second, _ = model(**batch, sample_inputs=sample_inputs, features_only=True, share_dropout=shared)
    assert torch.equal(first[0], second) == shared


def test_activation_checkpointing_changes_no_gradient(build, batch):
    plain = build(dropout=0.1).train()
    checkpointed = build(dropout=0.1, checkpoint_activations=True).train()
    checkpointed.load_state_dict(plain.state_dict())
    expected = gradients(plain, batch)
    for name, gradient in gradients(checkpointed, batch).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-7, rtol=1e-5)


def test_layerdrop_leaves_out_layers_in_training_only(build, batch):
    model = build(encoder_layerdrop=0.9, decoder_layerdrop=0.9)
    plain = build()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(model(**batch)[0], plain(**batch)[0])
    missing = [gradient for gradient in gradients(model.train(), batch).values() if gradient is None]
    assert missing


EMBEDDINGS = ("embed_tokens", "embed_positions", "layernorm_embedding")


@pytest.mark.parametrize("checkpoint_activations", [True, False])
def test_frozen_embeddings(build, batch, checkpoint_activations):
    options = {"freeze_embeddings_updates": 2, "checkpoint_activations": checkpoint_activations}
    model = build(**options).train()
    frozen = {name for name, gradient in gradients(model, batch).items() if gradient is None}
    assert frozen == {name for name, _ in model.named_parameters() if name.split(".")[1] in EMBEDDINGS}
    model.set_num_updates(2)
    assert all(gradient is not None for gradient in gradients(model, batch).values())


def test_frozen_encoder(build, batch):
    model = build(freeze_encoder_updates=2, separate_embeddings=True).train()
    model.set_num_updates(1)
    frozen = {name for name, gradient in gradients(model, batch).items() if gradient is None}
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith("encoder.")}
    model.set_num_updates(2)
    assert all(gradient is not None for gradient in gradients(model, batch).values())


def test_own_output_matrix_learns_while_embeddings_are_frozen(build, batch):
    model = build(freeze_embeddings_updates=1, output_matrix="own").train()
    assert gradients(model, batch)["decoder.output_projection.weight"] is not None


def test_frozen_parameters_do_not_move(build, batch):
    model = build(freeze_encoder_updates=3, freeze_embeddings_updates=3).train()
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    gradients(model, batch)
    optimizer.step()
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(name.startswith("decoder.layers.") for name in moved)


def test_epsilon_travels_with_the_weights(build):
    model, other = build(), build(seed=1)
    for half in (model.encoder, model.decoder):
        half.set_layer_norm_eps(1e-12)
    state = model.half().state_dict()
    assert state["encoder._extra_state"].dtype == torch.float64
    other.load_state_dict(state)
    norms = [module for module in other.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-12}
    with pytest.raises(InputError, match=r"encoder\._extra_state is missing"):
        other.load_state_dict({name: tensor for name, tensor in state.items() if "extra" not in name})


def test_an_additional_language_extends_the_rows(build, dictionary):
    options = {"separate_embeddings": True, "output_matrix": "own"}
    old = build(**options).state_dict()
    dictionary.add_symbol("<bo>")
    model = build(seed=1, **options)
    new_rows = model.output_weight[-1].clone()
    model.load_state_dict(dict(old))
    for name in ("encoder.embed_tokens", "decoder.embed_tokens", "decoder.output_projection"):
        table = model.get_submodule(name).weight
        assert torch.equal(table[:-1], old[f"{name}.weight"])
    assert torch.equal(model.output_weight[-1], new_rows)


def test_a_smaller_dictionary_is_refused(build, dictionary):
    old = build().state_dict()
    dictionary.symbols.pop()
    with pytest.raises(InputError, match=r"shape \[45, 16\] in the checkpoint and \[44, 16\] here"):
        build().load_state_dict(dict(old))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_decoding_after_reloading_in_bf16(build, batch, dictionary, dtype, tmp_path):
    """With weights saved in bf16, decoding agrees to 1e-5 in float32 and to bf16's precision in bf16."""
    torch.save(build().bfloat16().state_dict(), tmp_path / "model.pt")
    model = build(seed=1)
    model.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    model.to(dtype)
    tokens, state, steps = batch["prev_output_tokens"], {}, []
    with torch.no_grad():
        full, _ = model(**batch, features_only=True)
        encoder_out = model.encoder(batch["src_tokens"])
        for end in range(1, tokens.size(1) + 1):
            x, _ = model.decoder(tokens[:, :end], encoder_out, incremental_state=state, features_only=True)
            steps.append(x[:, -1])
    real = tokens.ne(dictionary.pad())
    difference = (torch.stack(steps, dim=1) - full)[real].abs().max().item()
    assert difference < (1e-5 if dtype is torch.float32 else 0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_forward_and_backward_in_half_precision(build, batch, dtype):
    model = build(dropout=0.1, attention_dropout=0.1).train().to(dtype)
    assert model.encoder.layer_norm_eps == 1e-5
    for name, gradient in gradients(model, batch).items():
        assert gradient.dtype == dtype, name
        assert gradient.isfinite().all(), name
