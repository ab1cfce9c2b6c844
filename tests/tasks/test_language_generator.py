"""Decoding starts from <s> <xx>, and the output has no trace of the forced token."""

from argparse import Namespace

import numpy as np
import pytest
import torch
from fairseq.dataclass.configs import FairseqConfig
from fairseq.hub_utils import GeneratorHubInterface
from fairseq.models.transformer import TransformerModel, base_architecture
from fairseq.sequence_scorer import SequenceScorer
from omegaconf import OmegaConf

from swcm_fairseq.errors import InputError
from tests import tiny


def tiny_transformer(task, seed: int = 0) -> TransformerModel:
    torch.manual_seed(seed)
    args = Namespace(
        **tiny.ENCODER,
        decoder_layers=1,
        decoder_attention_heads=2,
        share_all_embeddings=True,
        max_source_positions=256,
        max_target_positions=256,
        dropout=0.0,
    )
    base_architecture(args)
    model = TransformerModel.build_model(args, task)
    for parameter in model.parameters():  # makes logits differ strongly, so that beams differ
        parameter.data.mul_(3)
    return model.eval()


def batch_of_the_test_set(task):
    task.load_dataset("test", epoch=1)
    dataset = task.dataset("test")
    return dataset.collater([dataset[int(i)] for i in np.flatnonzero(dataset.index_of < 2)])


@pytest.fixture()
def decode(make_task):
    """Decode the test set (all directions in one batch) with options of fairseq-generate."""

    def run(models: int = 1, prefix_size: int = 0, task=None, **options):
        task = task or make_task()
        ensemble = [tiny_transformer(task, seed) for seed in range(models)]
        generator = task.build_generator(ensemble, Namespace(**{"beam": 3, "max_len_b": 12, **options}))
        batch = batch_of_the_test_set(task)
        prefix = batch["target"][:, :prefix_size] if prefix_size else None
        torch.manual_seed(0)
        return task, ensemble, batch, task.inference_step(generator, ensemble, batch, prefix_tokens=prefix)

    return run


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beam": 1},
        {"models": 2},
        {"sampling": True, "sampling_topk": 5},
        {"sampling": True, "sampling_topp": 0.8, "beam": 1},
        {"diverse_beam_groups": 3, "diverse_beam_strength": 0.5},
        {"diversity_rate": 0.5},
        {"no_repeat_ngram_size": 2},
        {"lenpen": 2.0},
    ],
    ids=str,
)
def test_hypotheses_have_no_special_tokens(decode, options):
    task, _, batch, hypotheses = decode(**options)
    d = task.dictionary
    assert len(hypotheses) == len(batch["id"])
    for beams in hypotheses:
        assert len(beams) == options.get("beam", 3)
        for beam in beams:
            tokens = beam["tokens"]
            assert tokens[-1] == d.eos() and 2 <= len(tokens) <= 13  # one word at least, 12 at most
            assert ((tokens[:-1] > 2) & (tokens[:-1] < d.num_pieces)).all()
            assert len(beam["positional_scores"]) == len(tokens)


@pytest.mark.parametrize("size", [1, 2])
def test_no_ngram_is_repeated(decode, size):
    """Random weights repeat the same tokens unless that is prevented."""

    def repeats(**options) -> int:
        _, _, _, hypotheses = decode(**options)
        rows = [beam["tokens"].tolist() for beams in hypotheses for beam in beams]
        ngrams = [list(zip(*(row[i:] for i in range(size)), strict=False)) for row in rows]
        return sum(len(row) - len(set(row)) for row in ngrams)

    assert repeats() > 0
    assert repeats(no_repeat_ngram_size=size) == 0


def test_scores_are_the_models_own(decode):
    """Summed log-probabilities of words and </s>, divided by their number; the language token does not count."""
    task, (model,), batch, hypotheses = decode(lenpen=1.0)
    d = task.dictionary
    for row, beams in enumerate(hypotheses):
        for beam in beams:
            tokens = beam["tokens"]
            prev = torch.cat((torch.tensor([d.bos(), batch["tgt_lang_id"][row]]), tokens[:-1]))
            source = batch["net_input"]["src_tokens"][row : row + 1, : batch["net_input"]["src_lengths"][row]]
            with torch.no_grad():
                out = model(source, torch.tensor([source.size(1)]), prev.unsqueeze(0))
            expected = model.get_normalized_probs(out, log_probs=True)[0, 1:].gather(1, tokens.unsqueeze(1)).squeeze(1)
            assert torch.allclose(beam["positional_scores"], expected, atol=1e-3)
            assert beam["score"].item() == pytest.approx(expected.mean().item(), abs=1e-4)


def test_batches_mix_languages_and_rows_do_not_interfere(decode):
    task, ensemble, batch, together = decode(beam=2)
    assert len(set(batch["tgt_lang_id"].tolist())) == 2
    generator = task.build_generator(ensemble, Namespace(beam=2, max_len_b=12))
    dataset = task.dataset("test")
    for row in (0, len(batch["id"]) - 1):
        alone = task.inference_step(generator, ensemble, dataset.collater([dataset[int(batch["id"][row])]]))[0]
        assert [b["tokens"].tolist() for b in alone] == [b["tokens"].tolist() for b in together[row]]


def test_prefix_size_counts_words(decode):
    _, _, batch, hypotheses = decode(prefix_size=2)
    for row, beams in enumerate(hypotheses):
        expected = batch["target"][row, 1:3].tolist()
        length = min(2, int((batch["target"][row] != 1).sum()))
        for beam in beams:
            assert beam["tokens"][:length].tolist() == expected[:length]


def test_score_reference(decode):
    task, (model,), batch, hypotheses = decode(score_reference=True)
    with torch.no_grad():
        out = model(**batch["net_input"])
    log_probs = model.get_normalized_probs(out, log_probs=True)
    for row, (hypothesis,) in enumerate(hypotheses):
        words = batch["target"][row][batch["target"][row] != task.dictionary.pad()]
        assert torch.equal(hypothesis["tokens"], words)
        expected = log_probs[row, 1 : 1 + len(words)].gather(1, words.unsqueeze(1)).squeeze(1)
        assert torch.allclose(hypothesis["positional_scores"], expected)
    generator = task.build_generator([model], Namespace(score_reference=True))
    assert isinstance(generator, SequenceScorer)


def test_constraints_are_met(make_task):
    from fairseq.token_generation_constraints import pack_constraints

    task = make_task(source_lang="zh", target_lang="bo")
    model = tiny_transformer(task)
    word = task.dictionary.index("▁c")
    for kind in ("ordered", "unordered"):
        generator = task.build_generator([model], Namespace(beam=3, max_len_b=12, constraints=kind))
        batch = batch_of_the_test_set(task)
        constraints = pack_constraints([[torch.tensor([word])]] * len(batch["id"]))
        for beams in task.inference_step(generator, [model], batch, constraints=constraints):
            assert word in beams[0]["tokens"].tolist()


def what_the_encoder_reads(task, monkeypatch, decode) -> list[list[int]]:
    """The rows that the encoder gets while ``decode`` runs a model."""
    model, read = tiny_transformer(task), []
    forward = model.encoder.forward

    def reading(src_tokens, **rest):
        read.append(src_tokens)
        return forward(src_tokens, **rest)

    monkeypatch.setattr(model.encoder, "forward", reading)
    decode(model)
    return [row.tolist() for row in read[0]]


def test_the_encoder_reads_the_language_in_interactive_and_in_python(make_task, monkeypatch):
    task = make_task(source_lang="zh", target_lang="bo")
    d = task.dictionary
    cfg = OmegaConf.structured(FairseqConfig)

    def interactive(model):
        tokens, lengths = task.get_interactive_tokens_and_lengths(["▁a ▁b", "q"], lambda line: line)
        dataset = task.build_dataset_for_inference(tokens, lengths)
        generator = task.build_generator([model], Namespace(beam=2, max_len_b=5))
        task.inference_step(generator, [model], dataset.collater([dataset[0], dataset[1]]))

    def python(model):
        GeneratorHubInterface(cfg, task, [model]).translate(["▁a ▁b", "q"], beam=2, max_len_b=5)

    a, b, q = (d.index(piece) for piece in ("▁a", "▁b", "q"))
    frame = [d.bos(), d.index("<zh>")]
    expected = [[*frame, a, b, d.eos()], [*frame, q, d.eos(), d.pad()]]
    for decode in (interactive, python):
        assert sorted(what_the_encoder_reads(task, monkeypatch, decode)) == sorted(expected)


def test_interactive_batches_fall_back_to_the_target_language(make_task):
    task = make_task(source_lang="zh", target_lang="bo")
    model = tiny_transformer(task)
    generator = task.build_generator([model], Namespace(beam=2, max_len_b=5))
    dataset = task.build_dataset_for_inference(*task.get_interactive_tokens_and_lengths(["▁a ▁b", "q"], str))
    net_input = dataset.collater([dataset[0], dataset[1]])["net_input"]
    named = {"net_input": net_input, "tgt_lang_id": torch.full((2,), task.dictionary.index("<bo>"))}
    expected = task.inference_step(generator, [model], named)
    found = task.inference_step(generator, [model], {"net_input": net_input})
    assert [h[0]["tokens"].tolist() for h in found] == [h[0]["tokens"].tolist() for h in expected]


def test_interactive_needs_both_languages(make_task):
    task = make_task(source_lang="zh")
    with pytest.raises(InputError, match=r"--target-lang is missing.*generate\(\.\.\., target_lang="):
        task.build_dataset_for_inference([torch.tensor([4])], [1])
    generator = task.build_generator([tiny_transformer(task)], Namespace(beam=2, max_len_b=5))
    with pytest.raises(InputError, match="--target-lang is missing"):
        generator.generate([], {"net_input": {"src_tokens": torch.tensor([[0, 4, 2]])}})


def test_truncation_of_long_interactive_lines_is_reported(make_task, caplog):
    task = make_task(source_lang="zh", target_lang="bo", tokens_per_sample=8)
    dataset = task.build_dataset_for_inference(*task.get_interactive_tokens_and_lengths(["▁a", "▁a " * 9], str))
    source = dataset[1]["source"]
    assert len(source) == 8 and source[-1] == task.dictionary.eos()
    assert caplog.text.count("1 of 2 texts have more than 5 tokens (the first is number 2, with 9)") == 1


def test_long_references_are_scored_whole(decode, make_task):
    _, _, batch, hypotheses = decode(task=make_task(tokens_per_sample=8, source_lang="zh", target_lang="bo"))
    assert max(batch["net_input"]["src_lengths"]) == 8
    assert batch["net_input"]["prev_output_tokens"].size(1) == 7
    assert batch["target"].size(1) > 8  # the references are printed and scored whole
    assert len(hypotheses) == len(batch["id"])


def test_alignments_are_refused(make_task):
    with pytest.raises(InputError, match="--print-alignment"):
        make_task().build_generator([], Namespace(print_alignment="hard"))


def test_models_of_other_dictionaries_are_not_decoded_together(make_task):
    task, more = make_task(target_lang="bo"), make_task(target_lang="bo", langs="bo,kk,mn,ug,zh,za")
    with pytest.raises(InputError, match="only combine checkpoints with the same languages"):
        more.build_generator([tiny_transformer(more), tiny_transformer(task)], Namespace(beam=2))
