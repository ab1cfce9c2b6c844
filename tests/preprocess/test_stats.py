"""The statistics match the files, in our data directories and in stock ones."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from preprocess import stats
from preprocess.steps.work_options import WorkOptions
from swcm_fairseq.data.corpora import Corpora
from swcm_fairseq.data.corpus_sampling import SamplingBy, Temperature
from swcm_fairseq.errors import InputError
from swcm_fairseq.tasks.multilingual_denoising_mt import MultilingualDenoisingMTTask
from swcm_fairseq.tasks.task_config import MultilingualDenoisingMTConfig
from tests.preprocess.conftest import read_ids, sentences, write_lines
from tests.tasks.conftest import NODES


@pytest.fixture
def data_bin(run, texts, tmp_path):
    strange = write_lines(tmp_path / "strange", [*sentences("ug", 9), "Ω unknown ж"])
    return run(
        "--mono", f"bo:train={texts['bo']}", f"ug:train={strange}", "--pair", f"zh-bo:train={texts['zh']},{texts['bo']}"
    )


def test_numbers_are_those_of_the_files(data_bin):
    by_language = stats.read_directory(data_bin, "train", Temperature(0.3))
    sides = {side.path: side for side in by_language}
    assert list(sides) == ["bo/train", "ug/train", "train.zh-bo.zh", "train.zh-bo.bo"]
    recorded = Corpora.read(data_bin).corpora[1].splits["train"]
    ids = read_ids(data_bin / "ug/train")
    assert sides["ug/train"].lengths.tolist() == [len(line) for line in ids]
    assert sides["ug/train"].tokens == recorded.source_tokens
    assert sides["ug/train"].unknown == recorded.source_unknown > 0


def test_how_often_corpora_are_drawn(data_bin):
    """60 texts in bo, 10 in ug, and 60 pairs of zh and bo used in both directions."""

    def drawn(temperature):
        return {side.group: side.probability for side in stats.read_directory(data_bin, "train", temperature)}

    bo, ug, zh = np.array([120, 10, 60]) ** 0.3 / (np.array([120, 10, 60]) ** 0.3).sum()
    expected = {"dae_bo": bo / 2, "dae_ug": ug, "mt_zh-bo": bo / 2, "mt_bo-zh": zh}
    assert drawn(Temperature(0.3)) == pytest.approx(expected)
    weights = np.array([60, 10, 60, 60]) ** 0.3
    expected = dict(zip(expected, weights / weights.sum(), strict=True))
    assert drawn(Temperature(0.3, by=SamplingBy.corpus)) == pytest.approx(expected)


@pytest.mark.parametrize("by", SamplingBy)
def test_numbers_are_those_of_the_tasks_table(data_bin, capsys, caplog, by):
    """Names and digits are equal for the same data directory."""
    options = {**NODES, "data": str(data_bin), "seed": 1, "update_freq": [1], "train_subset": "train"}
    cfg = OmegaConf.structured(MultilingualDenoisingMTConfig)
    task = MultilingualDenoisingMTTask.setup_task(OmegaConf.merge(cfg, options, {"sampling_by": by.name}))
    with caplog.at_level("INFO"):
        task.load_dataset("train")
    lines = [line.split() for line in caplog.messages]
    table = {line[0]: line[4] for line in lines if line and line[0].startswith(("dae_", "mt_"))}
    stats.main([str(data_bin), "--sampling-by", by.name])
    files = capsys.readouterr().out.split("\n\n")[0].splitlines()[2:]
    assert {line.split()[-2]: line.split()[-1] for line in files} == table
    assert len(table) == 4


@pytest.mark.parametrize("unit", ["samples", "tokens"])
def test_beta_and_unit_as_in_training(data_bin, unit):
    """CINO's equation 2; the flags give the same numbers as the task's table, which the test above covers."""
    options = stats.StatsOptions(alpha=0.7, sampling_beta=0.3, sampling_unit=unit)
    temperature = Temperature(0.7, 0.3, by_tokens=unit == "tokens")
    assert options.temperature == temperature
    ours = {side.group: side.probability for side in stats.print_stats([data_bin], options, WorkOptions())}
    expected = {side.group: side.probability for side in stats.read_directory(data_bin, "train", temperature)}
    assert ours == expected
    assert ours != {side.group: side.probability for side in stats.read_directory(data_bin, "train", Temperature(0.7))}


def test_tables_and_picture(data_bin, tmp_path, capsys):
    stats.main([str(data_bin), "--png", str(tmp_path / "s.png")])
    output = capsys.readouterr().out
    table_6 = output.split("language")[1]
    assert [line.split()[0] for line in table_6.splitlines()[2:5]] == ["bo", "ug", "all"]
    assert [line.split()[2] for line in table_6.splitlines()[2:5]] == ["60", "10", "70"]
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_stock_directories_are_read(data_bin):
    ours = [
        (side.path, side.tokens, side.unknown) for side in stats.read_directory(data_bin, "train", Temperature(1.0))
    ]
    (data_bin / "corpora.json").unlink()
    assert [
        (side.path, side.tokens, side.unknown) for side in stats.read_directory(data_bin, "train", Temperature(1.0))
    ] == ours


def test_bad_input_is_refused(data_bin, tmp_path):
    for args, message in (
        (["/no/such"], "no such directory"),
        ([str(data_bin), "--split", "test"], "no corpus with a split 'test'"),
        ([str(data_bin), "--alpha", "0"], "--alpha 0.0"),
        ([str(data_bin), "--sampling-beta", "1.5"], "--sampling-beta 1.5: must be between 0 and 1"),
        (
            [str(data_bin), "--png", str(data_bin / "dict.txt/such.png")],
            "File exists|Not a directory",
        ),
        (["/no/such", "--png", str(tmp_path / "such.odd")], "^--png"),
        (["/no/such", "--png", str(tmp_path)], r"^--png \S+: is a directory; give a file"),
        ([str(data_bin), "--workers", "0"], "^--workers 0"),
        ([str(data_bin), "--png", str(data_bin / "bo/train.bin")], "give a name that ends in .png, .svg, .pdf"),
    ):
        with pytest.raises(InputError, match=message):
            stats.main(args)
    with open(data_bin / "bo/train.bin", "ab") as file:
        file.write(b"xx")
    with pytest.raises(InputError, match=r"bo/train.bin: has \d+ bytes, but its index says"):
        stats.main([str(data_bin)])
    index = data_bin / "bo/train.idx"
    whole = index.read_bytes()
    for content, message in (
        (b"x", "not a memory-mapped index"),
        (whole[:20], r"bo/train.idx: has 20 bytes instead of"),  # truncated inside its header
        (whole[:-1], r"bo/train.idx: has \d+ bytes instead of"),
        (whole[:9] + b"\2" + whole[10:], "unknown version 2 or id type 8"),
        (whole[:17] + b"\xff" + whole[18:], "unknown version 1 or id type 255"),
    ):
        index.write_bytes(content)
        with pytest.raises(InputError, match=message):
            stats.main([str(data_bin)])
