"""The files equal those of ``spm_encode | fairseq-preprocess``."""

import shutil

import pytest
from fairseq import options
from fairseq.data import Dictionary
from fairseq_cli import preprocess as fairseq_preprocess

from swcm_fairseq.data.vocabulary import Vocabulary
from tests.preprocess.conftest import SENTENCES


def stock_chain(vocabulary_dir, text_files, folder):
    """Encode to pieces, one file per language, and binarize them with fairseq's own command."""
    vocabulary = Vocabulary(vocabulary_dir)
    for lang, path in text_files.items():
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        pieces = [" ".join(vocabulary.processor.encode(line, out_type=str)) for line in lines]
        (folder / f"pieces.{lang}").write_text("".join(f"{line}\n" for line in pieces), encoding="utf-8")
        args = options.get_preprocessing_parser().parse_args(
            f"--only-source --srcdict {vocabulary_dir}/dict.txt --destdir {folder}/{lang} "
            f"--trainpref {folder}/pieces.{lang}".split()
        )
        fairseq_preprocess.main(args)
    return folder


def test_bytes_equal_those_of_the_stock_chain(vocabulary_dir, texts, run, tmp_path):
    stock = stock_chain(vocabulary_dir, texts, tmp_path)
    data_bin = run("--mono", *(f"{lang}:train={path}" for lang, path in texts.items()))
    for lang in SENTENCES:
        for extension in ("bin", "idx"):
            ours = (data_bin / lang / f"train.{extension}").read_bytes()
            assert ours == (stock / lang / f"train.{extension}").read_bytes(), (lang, extension)
    assert Dictionary.load(str(data_bin / "dict.txt")) == Dictionary.load(str(stock / "bo" / "dict.txt"))


@pytest.mark.parametrize("lang", list(SENTENCES))
def test_bytes_equal_those_of_the_stock_chain_on_real_text(vocabulary_dir, sample_data, run, tmp_path, lang):
    text = shutil.copy(sample_data / f"mono.{lang}.train.txt", tmp_path / "text")
    stock = stock_chain(vocabulary_dir, {lang: text}, tmp_path)
    data_bin = run("--mono", f"{lang}:train={text}")
    for extension in ("bin", "idx"):
        ours = (data_bin / lang / f"train.{extension}").read_bytes()
        assert ours == (stock / lang / f"train.{extension}").read_bytes()
