"""--restrict-decoding: no word of another language can be generated."""

from types import SimpleNamespace

import pytest
import torch

from swcm_fairseq.data.language_vocabulary import RestrictedProjection
from swcm_fairseq.errors import InputError
from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig
from tests import tiny

SEARCH = {"beam": 3, "max_len_a": 0, "max_len_b": 9}


@pytest.fixture()
def setup(make_task):
    """A task, a random model with varied outputs, and a batch with target language bo."""
    task = make_task(corpora="dae_bo")
    torch.manual_seed(3)
    config = XLMSWCMConfig(**tiny.ENCODER, normal_layer_interval=1)
    model = XLMSWCMModel.from_config(config, task.dictionary).eval()
    torch.nn.init.normal_(model.decoder.output_projection.weight, std=0.5)
    task.load_dataset("valid")
    dataset = task.dataset("valid")
    return task, model, dataset.collater([dataset[i] for i in range(4)])


def generate(task, model, sample, restrict=True, **options):
    task.cfg.restrict_decoding = restrict
    generator = task.build_generator([model], SimpleNamespace(**{**SEARCH, **options}))
    return task.inference_step(generator, [model], sample)


def tokens(hypotheses):
    return torch.cat([hypothesis["tokens"] for beam in hypotheses for hypothesis in beam])


def test_only_words_of_the_language_are_written(setup, monkeypatch):
    task, model, sample = setup
    words = torch.tensor([6, 7, 8, 20, 21])
    monkeypatch.setattr(task, "language_vocabulary", lambda lang: words)
    sizes = []
    monkeypatch.setattr(
        RestrictedProjection,
        "forward",
        lambda self, x, forward=RestrictedProjection.forward: (sizes.append(len(self.weight)), forward(self, x))[1],
    )
    whole = model.decoder.output_projection
    free = generate(task, model, sample, restrict=False)
    assert not torch.isin(tokens(free), torch.cat((words, torch.arange(4)))).all()
    assert not sizes
    for options in ({}, {"sampling": True, "sampling_topk": 5}):
        found = tokens(generate(task, model, sample, **options))
        assert torch.isin(found, torch.cat((words, torch.tensor([2, 3])))).all()
    assert set(sizes) == {4 + 5 + 1}  # specials, words, the language token
    assert model.decoder.output_projection is whole


def test_scores_are_those_of_a_softmax_over_the_words(setup, monkeypatch):
    task, model, sample = setup
    words = torch.tensor([6, 7, 8, 20, 21])
    monkeypatch.setattr(task, "language_vocabulary", lambda lang: words)
    restricted = generate(task, model, sample)
    allowed = torch.cat((torch.arange(4), words, sample["tgt_lang_id"][:1]))
    mask = torch.full((len(task.dictionary),), -torch.inf)
    mask[allowed] = 0
    hook = model.decoder.output_projection.register_forward_hook(lambda module, args, logits: logits + mask)
    masked = generate(task, model, sample, restrict=False)
    hook.remove()
    assert_same(restricted, masked, tolerance=1e-6)


def test_the_whole_vocabulary_changes_nothing(setup, monkeypatch):
    task, model, sample = setup
    monkeypatch.setattr(task, "language_vocabulary", lambda lang: torch.arange(len(task.dictionary)))
    restricted = generate(task, model, sample)
    assert_same(restricted, generate(task, model, sample, restrict=False), tolerance=0)


def assert_same(ours, theirs, tolerance):
    for one, other in zip(ours, theirs, strict=True):
        for a, b in zip(one, other, strict=True):
            assert torch.equal(a["tokens"], b["tokens"])
            torch.testing.assert_close(a["positional_scores"], b["positional_scores"], rtol=tolerance, atol=tolerance)


def test_mixed_languages_are_refused(setup):
    task, model, sample = setup
    sample["tgt_lang_id"][0] = task.dictionary.index("<zh>")
    with pytest.raises(InputError, match="--group-batches-by language"):
        generate(task, model, sample)


def test_missing_counts_are_refused(setup):
    task, model, sample = setup
    with pytest.raises(InputError, match="no counts for <bo>"):
        generate(task, model, sample)
    assert not isinstance(model.decoder.output_projection, RestrictedProjection)


def test_the_search_sees_only_the_words(setup, monkeypatch):
    """The search sees ids, logits and scores of the small vocabulary; afterwards, everything is restored."""
    task, model, sample = setup
    monkeypatch.setattr(task, "language_vocabulary", lambda lang: torch.tensor([6, 7, 8, 20, 21]))
    task.cfg.restrict_decoding = True
    generator = task.build_generator([model], SimpleNamespace(**SEARCH))
    seen = []
    step = generator.search.step
    monkeypatch.setattr(
        generator.search, "step", lambda at, lprobs, *rest: (seen.append(lprobs.size(-1)), step(at, lprobs, *rest))[1]
    )
    before = generator.vocab_size, generator.token_indices_to_suppress, model.decoder.embed_tokens
    task.inference_step(generator, [model], sample)
    assert set(seen) == {4 + 5 + 1}
    after = generator.vocab_size, generator.token_indices_to_suppress, model.decoder.embed_tokens
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_given_words_may_be_of_another_language(setup, monkeypatch):
    task, model, sample = setup
    monkeypatch.setattr(task, "language_vocabulary", lambda lang: torch.tensor([6, 7, 8, 20, 21]))
    task.cfg.restrict_decoding = True
    generator = task.build_generator([model], SimpleNamespace(**SEARCH))
    prefix = torch.tensor([[30], [31], [1], [6]])  # padding: no prefix
    hypotheses = generator.generate([model], sample, prefix_tokens=prefix)
    first = [found[0]["tokens"][0].item() for found in hypotheses]
    assert first[0] == 30 and first[1] == 31 and first[3] == 6


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_other_precisions_are_restricted_too(setup, monkeypatch, precision):
    task, model, sample = setup
    words = torch.tensor([6, 7, 8, 20, 21])
    monkeypatch.setattr(task, "language_vocabulary", lambda lang: words)
    task.cfg.cpu_precision = precision
    for _ in range(2):
        found = tokens(generate(task, model, sample))
        assert torch.isin(found, torch.cat((words, torch.tensor([2, 3])))).all()
