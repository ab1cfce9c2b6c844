"""The model card in Markdown, with facts from the checkpoint, its data directory and its scores."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from swcm_fairseq.checkpoint_state import Checkpoint
from swcm_fairseq.data.corpora import CORPORA_FILE, Corpora, Kind
from swcm_fairseq.data.languages import language
from swcm_fairseq.interop.hf_names import empty_model, model_config
from swcm_fairseq.models.layer_plan import describe
from swcm_fairseq.scoring.evaluation import Evaluation
from swcm_fairseq.scoring.score_report import as_markdown, markdown_table

CITATION = """@misc{su2025xlmswcm,
  title = {Multilingual Encoder Knows more than You Realize: Shared Weights Pretraining for Extremely Low-Resource
           Languages},
  author = {Su, Zeli and Zhang, Ziyin and Xu, Guixian and Liu, Jianing and Han, Xu and Zhang, Ting and Dong, Yushuang},
  year = {2025},
  eprint = {2502.10852},
  archivePrefix = {arXiv}
}"""
SEARCH = """By default, `generate` searches like `fairseq-generate`: beam 5, scores divided by the length (tokens and
`</s>`), at least one token, at most 200 or the number of positions of the model; special symbols and `<mask>` are never
generated. The language token is given, so it has no score and does not count toward the length. `max_length` and
`min_length` include `<s>` and the language token; `max_new_tokens` does not. `--max-len-a`, which makes the length
depend on the source, has no counterpart."""


def model_card(state: Checkpoint, name: str, evaluations: Sequence[Evaluation], license: str | None) -> str:
    """Write the model card.

    Args:
        state: a checkpoint of a model of this package.
        name: name of the model.
        evaluations: scores to list.
        license: an identifier used by the hub, such as ``cc-by-4.0``.

    Returns:
        Markdown that begins with metadata for the hub.
    """
    sections = {
        "Use": _use(state, name),
        "Architecture": _architecture(state),
        "Languages": _languages(state),
        "Training": _training(state),
        "Scores": _scores(evaluations),
        "License": _license(license),
        "Citation": f"```bibtex\n{CITATION}\n```",
    }
    parts = [_metadata(state, license), f"# {name}", _summary(state)]
    return "\n\n".join([*parts, *(f"## {title}\n\n{text}" for title, text in sections.items())]) + "\n"


def _metadata(state: Checkpoint, license: str | None) -> str:
    codes = dict.fromkeys(lang.replace("_", "-").split("-")[0] for lang in state["task_state"]["langs"])
    lines = ["library_name: transformers", "pipeline_tag: text-generation", "language:", *(f"- {c}" for c in codes)]
    if license is not None:
        lines.insert(0, f"license: {license}")
    return "\n".join(["---", *lines, "tags:", "- xlm-swcm", "- text2text-generation", "- custom_code", "---"])


def _summary(state: Checkpoint) -> str:
    names = [language(lang).name for lang in state["task_state"]["langs"]]
    return (
        "An encoder-decoder that inherits a multilingual encoder (XLM-SWCM, [Su et al. "
        f"2025](https://arxiv.org/abs/2502.10852)). It reads and writes {', '.join(names)}. It was trained with "
        "fairseq, but this directory needs only transformers and sentencepiece."
    )


def _use(state: Checkpoint, name: str) -> str:
    langs, task = state["task_state"]["langs"], state["cfg"]["task"]
    source, target = task["source_lang"] or langs[0], task["target_lang"] or langs[-1]
    return f"""```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

directory = "{name}"  # or the name of the model on the hub
tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True, src_lang="{source}", tgt_lang="{target}")
model = AutoModelForSeq2SeqLM.from_pretrained(directory, trust_remote_code=True)
inputs = tokenizer(["..."], return_tensors="pt", padding=True, truncation=True)
ids = model.generate(**inputs, forced_bos_token_id=tokenizer.lang_code_to_id["{target}"])
print(tokenizer.batch_decode(ids, skip_special_tokens=True))
```

{SEARCH}"""


def _architecture(state: Checkpoint) -> str:
    options = state["cfg"]["model"]
    config = model_config(options)
    model = empty_model(config, state["task_state"]["symbols"])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    layouts = ("tie_self_attention", "tie_ffn", "tie_duplicates", "separate_embeddings")
    ties = [flag for flag in layouts if getattr(config, flag)]
    rows = [
        ["architecture", options["_name"]],
        ["parameters", f"{parameters:,}"],
        ["encoder", f"{config.transformer_config().encoder.layers} layers"],
        ["decoder", describe(config.layer_plan())],
        ["hidden size, FFN, heads", f"{config.encoder_embed_dim}, {config.encoder_ffn_embed_dim}, "
         f"{config.encoder_attention_heads}"],
        ["positions", f"{config.max_source_positions} (source), {config.max_target_positions} (target)"],
        ["activation", str(config.activation_fn)],
        ["output matrix", str(config.output_matrix)],
        ["tied or separate", ", ".join(ties) or "as in the paper"],
        ["symbols", f"{len(state['task_state']['symbols']):,}"],
    ]  # fmt: skip
    return markdown_table(["", ""], rows)


def _languages(state: Checkpoint) -> str:
    rows = [
        [lang, language(lang).name, f"<{lang}>", ", ".join(language(lang).scripts)]
        for lang in state["task_state"]["langs"]
    ]
    return markdown_table(["code", "language", "token", "scripts"], rows)


def _training(state: Checkpoint) -> str:
    updates = state["optimizer_history"][-1]["num_updates"]
    task = state["cfg"]["task"]
    facts = [
        f"{updates:,} updates; texts of at most {task['tokens_per_sample']} tokens, `<s>`, language token and `</s>` "
        "included."
    ]
    if state["cfg"]["model"].get("pretrained_encoder"):
        facts.append(f"Training started from the encoder `{Path(state['cfg']['model']['pretrained_encoder']).name}`.")
    if state["cfg"]["model"].get("finetune_from_model"):
        facts.append("This training continues an earlier one.")
    rows = list(_corpora(str(task["data"]).split(":")))
    if not rows:
        return " ".join([*facts, "The data directory was missing when this card was written."])
    heading = ["corpus", "kind", "languages", "samples", "source tokens", "target tokens"]
    return f"{' '.join(facts)}\n\n{markdown_table(heading, rows)}"


def _corpora(paths: Iterable[str]) -> Iterable[list[str]]:
    """One row per training corpus; none for a directory without ``corpora.json``."""
    for path in paths:
        if not (Path(path) / CORPORA_FILE).is_file():
            continue
        for corpus in Corpora.read(path).corpora:
            split = corpus.splits.get("train")
            if split is not None:
                pair = corpus.kind is Kind.PAIR
                langs = f"{corpus.source_lang}-{corpus.target_lang}" if pair else corpus.source_lang
                numbers = [split.samples, split.source_tokens, split.target_tokens]
                yield [corpus.name, corpus.kind.value, langs, *(f"{number:,}" if number else "" for number in numbers)]


def _scores(evaluations: Sequence[Evaluation]) -> str:
    return "\n".join(map(as_markdown, evaluations)).strip() or "None were given when this card was written."


def _license(license: str | None) -> str:
    if license is None:
        return "Not stated. The licenses of the encoder and of the training text may restrict the use of the model."
    return f"{license}. The model code in this directory is under the MIT license."
