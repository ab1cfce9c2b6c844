"""``generate`` gives the same outputs as ``fairseq-generate``, and supports transformers' other features."""

import copy

import pytest
import torch
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging


def options(search: dict, language: int) -> dict:
    """fairseq's options under transformers' names; its lengths also count ``<s>`` and the language token."""
    given = {"num_beams": search["beam"], "forced_bos_token_id": language, "length_penalty": search.get("lenpen", 1.0)}
    if "max_len_b" in search:
        given["max_length"] = search["max_len_b"] + 3
    if "min_len" in search:
        given["min_length"] = search["min_len"] + 2
    return given if search["beam"] > 1 else {**given, "early_stopping": False}


def write(model, tokenizer, texts, batch_size=20, **given) -> list[str]:
    found = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(texts[start : start + batch_size], return_tensors="pt", padding=True, truncation=True)
        found += tokenizer.batch_decode(model.generate(**batch, **given), skip_special_tokens=True)
    return found


def test_greedy_and_beam_outputs_word_for_word(model, tokenizer, outputs):
    """All outputs are equal, except for searches that float32 rounding decides: one of the 800 here, ug -> zh.

    In its 17th step, two candidates for the last place in the beam have log-probabilities of -71.6 that differ by
    1.2e-6 in float64, while neighboring float32 numbers are 7.6e-6 apart. fairseq keeps one of them, transformers the
    other.
    """
    sentences, rounded, written = 0, 0, set()
    for each in outputs:
        tokenizer.src_lang = each["source"]
        language, beams = tokenizer.lang_code_to_id[each["target"]], each["search"]["beam"]
        found = write(model, tokenizer, each["texts"], **options(each["search"], language))
        for text, ours, theirs in zip(each["texts"], found, each["outputs"], strict=True):
            if ours != theirs:
                batch = tokenizer([text], return_tensors="pt", truncation=True)
                assert decided_by_rounding(model, batch, language, beams), (each["search"], text)
                rounded += 1
        sentences += len(found) * (each["search"] == {"beam": 5})
        written.update(found)
    assert sentences == 200
    assert rounded <= 2
    assert len(written) > 200  # outputs depend on the source


@torch.no_grad()
def decided_by_rounding(model, batch, language: int, beams: int) -> bool:
    """Whether a search in float64 has two candidates for its last place that float32 cannot tell apart."""
    exact = copy.deepcopy(model).double()
    states = exact.get_encoder()(batch["input_ids"], batch["attention_mask"]).last_hidden_state
    never = [*model.config.language_token_ids.values(), *model.generation_config.suppress_tokens]
    kept, scores = torch.tensor([[0, language]]), torch.zeros(1, dtype=torch.float64)
    for _ in range(model.config.max_target_positions - 2):
        rows = len(kept)
        logits = exact(
            encoder_outputs=BaseModelOutput(states.expand(rows, -1, -1)),
            attention_mask=batch["attention_mask"].expand(rows, -1),
            decoder_input_ids=kept,
        ).logits[:, -1]
        words = logits.log_softmax(-1).index_fill(1, torch.tensor([*never, model.config.eos_token_id]), -torch.inf)
        best, places = (scores[:, None] + words).flatten().topk(beams + 1)
        if best[-2] - best[-1] < torch.finfo(torch.float32).eps * best[-1].abs():
            return True
        rows_of, words_of = places[:-1] // words.size(1), places[:-1] % words.size(1)
        kept, scores = torch.cat((kept[rows_of], words_of[:, None]), dim=1), best[:-1]
    return False


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_makes_no_difference(model, tokenizer, outputs, side):
    each = outputs[1]
    tokenizer.padding_side = side
    given = options(each["search"], tokenizer.lang_code_to_id[each["target"]])
    texts = each["texts"][:8]
    assert write(model, tokenizer, texts, **given) == each["outputs"][:8]
    assert write(model, tokenizer, texts, batch_size=1, **given) == each["outputs"][:8]


def test_sampling(model, tokenizer, outputs):
    texts = outputs[0]["texts"][:4]
    language = tokenizer.lang_code_to_id["bo"]
    sampled = {"do_sample": True, "num_beams": 1, "early_stopping": False, "forced_bos_token_id": language}

    def draw(seed: int, **given) -> list[str]:
        torch.manual_seed(seed)
        return write(model, tokenizer, texts, **sampled, max_new_tokens=12, **given)

    assert draw(1) == draw(1) != draw(2)
    greedy = write(model, tokenizer, texts, **{**sampled, "do_sample": False}, max_new_tokens=12)
    assert draw(1, top_k=1) == greedy


def test_no_warnings(model, tokenizer, outputs, caplog):
    logging.enable_propagation()
    logging.warning_once.cache_clear()
    batch = tokenizer(outputs[0]["texts"][:2], return_tensors="pt", padding=True)
    model.generate(**batch, forced_bos_token_id=tokenizer.lang_code_to_id["bo"], max_length=8)
    logging.disable_propagation()
    assert caplog.messages == []


def test_several_hypotheses_and_their_scores(model, tokenizer, outputs):
    batch = tokenizer(outputs[0]["texts"][:2], return_tensors="pt", padding=True)
    language = tokenizer.lang_code_to_id["bo"]
    found = model.generate(
        **batch, forced_bos_token_id=language, num_return_sequences=5, return_dict_in_generate=True, output_scores=True
    )
    assert found.sequences[:, :2].tolist() == [[0, language]] * 10
    assert found.sequences_scores.view(2, 5).diff(dim=1).le(0).all()


def test_a_language_for_each_sentence(model, tokenizer, outputs):
    text = outputs[0]["texts"][0]
    languages = [tokenizer.lang_code_to_id[lang] for lang in ("bo", "mn", "kk")]
    batch = tokenizer([text] * 3, return_tensors="pt")
    together = model.generate(**batch, forced_bos_token_id=torch.tensor(languages))
    assert together[:, 1].tolist() == languages
    for row, language in zip(together, languages, strict=True):
        alone = model.generate(**tokenizer([text], return_tensors="pt"), forced_bos_token_id=language)
        assert tokenizer.decode(row, skip_special_tokens=True) == tokenizer.decode(alone[0], skip_special_tokens=True)


def test_a_given_beginning_is_continued(model, tokenizer, outputs):
    language = tokenizer.lang_code_to_id["bo"]
    batch = tokenizer(outputs[0]["texts"][:1], return_tensors="pt")
    whole = model.generate(**batch, forced_bos_token_id=language, num_beams=1, early_stopping=False)
    again = model.generate(**batch, decoder_input_ids=whole[:, :3], num_beams=1, early_stopping=False)
    assert again.tolist() == whole.tolist()


def test_the_target_language_may_be_the_models_default(model, tokenizer, outputs):
    batch = tokenizer(outputs[1]["texts"][:2], return_tensors="pt", padding=True)
    with pytest.raises(ValueError, match=r"no target language \(bo, kk, mn, ug, zh\): give forced_bos_token_id"):
        model.generate(**batch)
    config = GenerationConfig(**{**model.generation_config.to_dict(), "forced_bos_token_id": 2005})
    assert model.generate(**batch, generation_config=config)[:, 1].tolist() == [2005, 2005]


def test_lengths(model, tokenizer, outputs):
    language = tokenizer.lang_code_to_id["bo"]
    batch = tokenizer(outputs[0]["texts"][:3], return_tensors="pt", padding=True)
    exact = model.generate(**batch, forced_bos_token_id=language, min_new_tokens=5, max_new_tokens=5)
    assert exact.shape == (3, 7) and not exact.eq(2).any()
    longest = model.generate(**batch, forced_bos_token_id=language, max_length=1000)  # more than the model's positions
    assert longest.size(1) <= model.config.max_target_positions + 1
    with pytest.raises(ValueError, match=r"70 tokens, but the model has 64 positions; truncate"):
        model.generate(input_ids=torch.full((1, 70), 5), forced_bos_token_id=language)
