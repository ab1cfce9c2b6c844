"""Small vocabularies and files shared by the tests of preprocessing."""

from importlib import import_module
from pathlib import Path

import pytest
from fairseq.data.indexed_dataset import MMapIndexedDataset

from preprocess import binarize, vocab
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop import mbart

BO = "སྤྱོད་མཁན་གྱིས་ཡིག་ཆ་ཉར་ཚགས་བྱེད་དགོས། {} ཁྱེད་རང་ལ་བཀྲ་ཤིས་བདེ་ལེགས། པར་རིས་{}་འདི་བཙུགས།"
ZH = "使用者需要保存文件{}。请选择图像{}并插入表格。"
UG = "ئىشلەتكۈچى ھۆججەتنى ساقلىشى كېرەك {}. بۇ رەسىم {} نى قىستۇر."
KK = "Пайдаланушы файлды сақтауы керек {}. Бұл {} кескінді кірістіріңіз."
MN = "Хэрэглэгч файлыг хадгалах ёстой {}. Энэ {} зургийг оруулна уу."
SENTENCES = {"bo": BO, "zh": ZH, "ug": UG, "kk": KK, "mn": MN}


def sentences(lang: str, count: int) -> list[str]:
    return [SENTENCES[lang].format(i * 7 % 100, i) for i in range(count)]


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def refused(match: str, commands: str) -> None:
    """Check that each command (one per line) ends with an error that matches."""
    for command in commands.strip().splitlines():
        name, *arguments = command.split()
        module = mbart if name == "mbart" else import_module(f"preprocess.{name}")
        with pytest.raises(InputError, match=match):
            module.main(arguments)


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write_file


@pytest.fixture(scope="session")
def texts(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("texts")
    return {lang: write_lines(folder / f"{lang}.txt", sentences(lang, 60)) for lang in SENTENCES}


@pytest.fixture(scope="session")
def vocabulary_dir(texts, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("vocab") / "vocab"
    vocab.main(["--size", "250", "--output", str(directory), "--input", *(f"{k}={v}" for k, v in texts.items())])
    return directory


@pytest.fixture
def run(vocabulary_dir, tmp_path):
    """Run preprocess.binarize into ``tmp_path / "data-bin"`` and return that directory."""

    def run_binarize(*args: str) -> Path:
        output = tmp_path / "data-bin"
        binarize.main(["--vocab", str(vocabulary_dir), "--output", str(output), *map(str, args)])
        return output

    return run_binarize


def read_ids(prefix: Path) -> list[list[int]]:
    """All sentences of ``prefix.bin`` as fairseq reads them."""
    data = MMapIndexedDataset(str(prefix))
    return [data[i].tolist() for i in range(len(data))]
