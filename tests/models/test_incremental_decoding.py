"""Step-by-step decoding equals the full forward pass."""

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.sequence_generator import EnsembleModel, SequenceGenerator

KINDS = {
    "inherited and normal": {},
    "duplicates": {"duplicate_inserted_layers": True},
    "normal only": {"plain_decoder": True},
}


def step_by_step(model, tokens, encoder_out):
    state, steps = {}, []
    for end in range(1, tokens.size(1) + 1):
        x, _ = model.decoder(tokens[:, :end], encoder_out=encoder_out, incremental_state=state)
        steps.append(x[:, -1])
    return torch.stack(steps, dim=1)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_equal_full_forward(build, batch, dictionary: Dictionary, kind):
    model = build(**KINDS[kind])
    tokens = batch["prev_output_tokens"]
    with torch.no_grad():
        full, _ = model(**batch)
        encoder_out = model.encoder(batch["src_tokens"])
        steps = step_by_step(model, tokens, encoder_out)
    real = tokens.ne(dictionary.pad())
    torch.testing.assert_close(steps[real], full[real], atol=1e-5, rtol=0)


@pytest.mark.parametrize("beams", [1, 4, 5])
@pytest.mark.parametrize(("size", "need_attn"), [(1, False), (2, False), (2, True)])
def test_beams_and_ensembles(build, batch, beams, size, need_attn):
    """Beams are reordered at random; every step must equal the full forward pass of each beam's tokens."""
    ensemble = EnsembleModel([build(seed=seed) for seed in range(size)])
    for model in ensemble.models:
        model.make_generation_fast_(need_attn=need_attn)  # True for --print-alignment
    rows = torch.arange(3).repeat_interleave(beams)
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(4, 40, (3 * beams, 6), generator=generator)
    with torch.no_grad():
        encoded = ensemble.reorder_encoder_out(ensemble.forward_encoder({"src_tokens": batch["src_tokens"]}), rows)
        states = [{} for _ in range(size)]
        for end in range(1, 6):
            if end > 1:
                within = torch.stack([torch.randperm(beams, generator=generator) + i * beams for i in range(3)])
                order = within.reshape(-1)
                tokens = tokens[order]
                ensemble.reorder_incremental_state(states, order)
                encoded = ensemble.reorder_encoder_out(encoded, order)
            log_probs, attention = ensemble.forward_decoder(tokens[:, :end], encoded, states)
            full = [
                model.get_normalized_probs(
                    model(batch["src_tokens"][rows], batch["src_lengths"][rows], tokens[:, :end]), log_probs=False
                )[:, -1]
                for model in ensemble.models
            ]
            assert (attention is not None) == need_attn
            torch.testing.assert_close(log_probs.exp(), torch.stack(full).mean(0), atol=1e-5, rtol=0)
    for state in states:
        cached = [buffer["prev_key"].size(0) for buffer in state.values()]
        assert set(cached) == {3, 3 * beams}, "cross-attention caches one row per source, self-attention one per beam"


@pytest.mark.parametrize("size", [1, 2])
def test_search_in_a_batch_equals_search_alone(build, batch, dictionary, size):
    """Sentences leave the batch when they finish; generators with several beam sizes take turns on the same models."""
    models = [build(seed=seed, output_matrix="own") for seed in range(size)]
    for model in models:
        bias = model.decoder.layers[-1].final_layer_norm.bias.data  # part of all features, so that sentences end
        model.output_weight.data[dictionary.eos()] = 0.8 * bias
    lengths = set()
    for beams in (5, 1, 4, 5):
        together = SequenceGenerator(models, dictionary, beam_size=beams, max_len_b=20)
        hypotheses = together.generate(models, {"net_input": dict(batch)})
        for row, expected in enumerate(hypotheses):
            source = batch["src_tokens"][row : row + 1, : batch["src_lengths"][row]]
            alone = SequenceGenerator(models, dictionary, beam_size=beams, max_len_b=20)
            (found,) = alone.generate(models, {"net_input": {"src_tokens": source}})
            assert len(found) == len(expected) == beams
            for one, other in zip(found, expected, strict=True):
                assert one["tokens"].tolist() == other["tokens"].tolist()
                torch.testing.assert_close(one["positional_scores"], other["positional_scores"], atol=1e-5, rtol=0)
            lengths.add(len(expected[0]["tokens"]))
    assert len(lengths) > 1, "all sentences finished together, so the test shows nothing"
