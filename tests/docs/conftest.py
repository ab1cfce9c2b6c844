"""A directory with all files that the documented commands name, at the smallest size."""

import gzip
import os
import shutil
from pathlib import Path

import pytest

from swcm_fairseq.data.vocabulary import load_dictionary
from tests.commands import run
from tests.docs.doc_corpora import write_corpora
from tests.docs.execution import small
from tests.interop.mbart_support import write_mbart

TRAIN = (
    *("--task", "multilingual_denoising_mt", "--arch", "xlm_swcm"),
    *("--criterion", "swcm_cross_entropy", "--optimizer", "adam", "--no-epoch-checkpoints"),
)
ENCODER = (
    *("--task", "masked_lm", "--criterion", "masked_lm", "--arch", "roberta_base", "--encoder-layers", "4"),
    *("--encoder-embed-dim", "64", "--encoder-ffn-embed-dim", "256", "--encoder-attention-heads", "4"),
    *("--max-positions", "512", "--tokens-per-sample", "64", "--sample-break-mode", "none", "--batch-size", "8"),
    *("--optimizer", "adam", "--max-update", "1", "--disable-validation", "--data-buffer-size", "0"),
    *("--cpu", "--num-workers", "0"),
)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, repository, sample_data) -> Path:
    """Corpora, an encoder, the data directories of pretraining and summarization, and a checkpoint of each."""
    root = tmp_path_factory.mktemp("documentation") / "root"
    root.mkdir()
    for name in ("examples", "benchmarks"):
        (root / name).symlink_to(repository / name)
    before = Path.cwd()
    os.chdir(root)
    try:
        write_corpora(root / "corpora", sample_data)
        _make_encoder(sample_data)
        for name in ("pretraining", "summarization", "translation"):
            run(*small(["python", "-m", "preprocess.run", f"examples/manifests/{name}.yaml"]))
        _train("pretraining", "checkpoints/pretraining", "--pretrained-encoder", "encoders/cino-base-v2")
        for name in ("summarization", "translation"):
            start = ("--finetune-from-model", "checkpoints/pretraining/checkpoint_last.pt")
            _train(name, f"runs/finetuning/{name}/xlm-swcm", *start)
    finally:
        os.chdir(before)
    return root


def _train(name: str, save_dir: str, *start: str) -> None:
    run(*small(["fairseq-train", f"data-bin/{name}", *TRAIN, *start, "--save-dir", save_dir]))


def _make_encoder(sample: Path) -> None:
    texts = {lang: sample / f"mono.{lang}.train.txt" for lang in ("bo", "kk", "mn", "ug", "zh")}
    inputs = [f"{lang}={path}" for lang, path in texts.items()]
    run("python", "-m", "preprocess.vocab", "--input", *inputs, "--size", "1200", "--output", "vocab")
    run(
        "python",
        "-m",
        "preprocess.binarize",
        "--vocab",
        "vocab",
        "--output",
        "plain",
        "--plain",
        f"train={texts['zh']}",
    )
    run("fairseq-train", "plain", *ENCODER, "--save-dir", "masked_lm")
    run("python", "-m", "swcm_fairseq.interop.convert", "masked_lm/checkpoint_last.pt", "--output",
        "encoders/cino-base-v2", "--sentencepiece-model", "vocab/sentencepiece.bpe.model")  # fmt: skip
    for name in ("vocab", "plain", "masked_lm"):
        shutil.rmtree(name)


@pytest.fixture
def workplace(prepared, tmp_path, monkeypatch, sample_data) -> Path:
    """A copy of ``prepared`` for one page, as working directory, with the text files that the pages mention."""
    root = shutil.copytree(prepared, tmp_path / "root", symlinks=True)
    write_texts(root, sample_data)
    monkeypatch.chdir(root)
    return root


# Name of a text file on the pages -> the sample file that provides its lines.
TEXTS = {
    "bo.txt": "mono.bo.train.txt",
    "zh.txt": "mono.zh.train.txt",
    "kk.txt": "mono.kk.train.txt",
    "ug.txt": "mono.ug.train.txt",
    "mc2.bo": "mono.bo.train.txt",
    "bo.valid.txt": "mono.bo.valid.txt",
    "valid.bo": "mono.bo.valid.txt",
    "train.zh": "zh-bo.train.zh",
    "train.bo": "zh-bo.train.bo",
    "articles.txt": "title.bo.train.article",
    "titles.txt": "title.bo.train.title",
    "articles.valid.txt": "title.bo.valid.article",
    "titles.valid.txt": "title.bo.valid.title",
    # The sample has no text in Zhuang, so English replaces it.
    "za.txt": "LICENSE",
    "za.valid.txt": "README.md",
    "pairs.zh": "title.zh.train.title",
    "pairs.za": "title.zh.train.title",
    "za.articles.txt": "title.zh.valid.article",
    "za.titles.txt": "title.zh.valid.title",
}
# Copies of other files in the directory.
COPIES = {
    "bo-crawl-only-release-20231112.jsonl": "corpora/mc2/bo-crawl-only-release-20231112.jsonl",
    "THUCNews.zip": "corpora/THUCNews.zip",
    "cmrc2018_train.json": "corpora/cmrc2018/data/cmrc2018_train.json",
    "test.zh": "text/translation/bo-zh/train-valid-test/test.zh",
    "test.bo": "text/translation/bo-zh/train-valid-test/test.bo",
    "ours.bo": "text/translation/bo-zh/train-valid-test/test.bo",
}


def write_texts(root: Path, sample: Path) -> None:
    """Write the files of both tables, a published mBART, the output of another system, and a translation memory."""
    for name, source in TEXTS.items():
        shutil.copy(sample / source, root / name)
    for name, source in COPIES.items():
        shutil.copy(root / source, root / name)
    vocabulary = root / "encoders/cino-base-v2"
    shutil.copytree(vocabulary, root / "xlm-roberta-base")
    pieces = load_dictionary(vocabulary / "dict.txt").symbols[4:]
    write_mbart(root / "encoders/mbart.cc25", pieces, vocabulary / "sentencepiece.bpe.model")
    (root / "runs").mkdir(exist_ok=True)
    references = (root / "test.bo").read_text("utf-8").splitlines()
    (root / "llm.bo").write_text("".join(f"{line[::2]}\n" for line in references), "utf-8")
    units = "".join(
        f'<tu><tuv xml:lang="bo"><seg>{bo}</seg></tuv><tuv xml:lang="zh"><seg>书</seg></tuv></tu>' for bo in references
    )
    with gzip.open(root / "bo-zh.tmx.gz", "wt", encoding="utf-8") as file:
        file.write(f'<?xml version="1.0"?><tmx version="1.4"><header/><body>{units}</body></tmx>')
