"""Classification from the published files to scores: readers, training, predictions and the report."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq import metrics
from fairseq.data.indexed_dataset import MMapIndexedDataset

from preprocess import classification
from swcm_fairseq import classify
from swcm_fairseq.data.labelled_directory import Classification
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.fairseq_checkpoint import read_fairseq_sizes
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.interop.write import write_encoder
from swcm_fairseq.interop.write_fairseq import write_roberta
from swcm_fairseq.reporting import classification_report
from swcm_fairseq.scoring.label_metrics import label_counts
from swcm_fairseq.tasks import classification_task
from tests.commands import run

FIXTURE = Path(__file__).parents[1] / "interop/fixtures/xlmr"
WORDS = ["天中", "大学", "地地", "国人"]  # one per class


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    """The directory of an encoder, and ``start.pt`` next to it."""
    place = tmp_path_factory.mktemp("encoder")
    weights = read_encoder(FIXTURE)
    write_encoder(weights, place / "directory", FIXTURE / "sentencepiece.bpe.model")
    write_roberta(weights, place / "start.pt")
    return place / "directory"


def write(path: Path, labels, gap: str = " ") -> Path:
    """Write ``text<TAB>label`` lines whose text contains the word of its class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{gap.join([WORDS[label % 4]] * (2 + k % 3))}\t{label}" for k, label in enumerate(labels)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def wcm(place: Path, classes: int = 4) -> Path:
    labels = list(range(classes))
    for name, count in (("train", 12), ("dev", 3), ("test", 4)):
        write(place / "zh" / f"{name}.txt", labels * count)
    write(place / "minority/bo.txt", labels * 2)
    write(place / "minority/ug.txt", labels[:2] * 3)
    return place


def prepare(kind, place, encoder, output, *options):
    classification.main([kind, str(place), "--vocab", str(encoder), "--output", str(output), *options])
    return Classification.read(output)


def stored(directory: Path, split: str) -> tuple[list[list[int]], list[list[int]]]:
    texts, labels = (MMapIndexedDataset(str(directory / side / split)) for side in ("input0", "label"))
    return [item.tolist() for item in texts], [item.tolist() for item in labels]


# --- readers ---


def test_wcm_is_trained_and_chosen_on_chinese_and_tested_on_all(encoder, tmp_path, capsys):
    found = prepare("wcm", wcm(tmp_path / "wcm", 10), encoder, tmp_path / "data")
    assert found.classes[4] == "Natural Science" and len(found.classes) == 10
    assert found.splits["train"] == [("zh", 120)] and found.splits["valid"] == [("zh", 30)]
    assert {name: parts for name, parts in found.splits.items() if name.startswith("test")} == {
        "test.bo": [("bo", 20)],
        "test.ug": [("ug", 6)],
        "test.zh": [("zh", 40)],
    }
    texts, labels = stored(tmp_path / "data", "test.ug")
    assert labels == [[4, 2], [5, 2]] * 3 and all(text[-1] == 2 for text in texts)
    assert "test.ug" in capsys.readouterr().out


def test_cmnews_is_trained_and_chosen_on_the_minority_languages(encoder, tmp_path):
    for lang, count in (("bo", 2), ("zh", 3), ("kk", 1)):
        write(tmp_path / "cmnews" / lang / "train.txt", [*range(8)] * count)
        write(tmp_path / "cmnews" / lang / "dev.txt", [0, 1, 2] * count)
    found = prepare("cmnews", tmp_path / "cmnews", encoder, tmp_path / "data")
    assert found.splits["train"] == [("bo", 16), ("kk", 8)] and found.splits["valid"] == [("bo", 6), ("kk", 3)]
    assert found.tests == {"bo": "test.bo", "kk": "test.kk", "zh": "test.zh"}
    assert found.languages("valid").tolist() == ["bo"] * 6 + ["kk"] * 3


def test_tncc_loses_the_spaces_between_words(encoder, tmp_path):
    whole = write(tmp_path / "all.txt", [*range(12)] * 10)
    found = prepare("tncc", whole, encoder, tmp_path / "joined")
    assert {name: parts[0][1] for name, parts in found.splits.items()} == {"train": 96, "valid": 12, "test.bo": 12}
    prepare("tncc", whole, encoder, tmp_path / "spaced", "--keep-spaces")
    joined, spaced = (stored(tmp_path / name, "train") for name in ("joined", "spaced"))
    assert joined[1] == spaced[1] and len(joined[0][0]) < len(spaced[0][0])
    for name in ("train", "dev", "test"):
        write(tmp_path / "split" / f"{name}.txt", range(12))
    assert prepare("tncc", tmp_path / "split", encoder, tmp_path / "data").splits["test.bo"] == [("bo", 12)]


def test_tncc_may_have_the_label_first(encoder, tmp_path):
    """The order that its authors' reader expects, and CINO's order, even if texts are numbers."""
    whole = write(tmp_path / "all.txt", [*range(12)] * 10)
    lines = [line.split("\t") for line in whole.read_text().splitlines()]
    (tmp_path / "first.txt").write_text("".join(f"{label}\t{text}\n" for text, label in lines))
    for name in ("all", "first"):
        prepare("tncc", tmp_path / f"{name}.txt", encoder, tmp_path / name)
    assert stored(tmp_path / "all", "train") == stored(tmp_path / "first", "train")
    with open(tmp_path / "all.txt", "a") as file:
        file.write("5 12\t3\n11\t4\n")
    prepare("tncc", tmp_path / "all.txt", encoder, tmp_path / "numbers")
    labels = [
        label[0] - 4 for split in ("train", "valid", "test.bo") for label in stored(tmp_path / "numbers", split)[1]
    ]
    assert sorted(labels) == sorted([*range(12)] * 10 + [3, 4])


def test_ynat_has_labels_by_name(encoder, tmp_path):
    names = ["IT과학", "economy", "사회", "생활문화", "world", "스포츠", "politics"]
    records = [{"guid": str(k), "title": f"天中 {k}", "label": name} for k, name in enumerate(names)]
    for part in ("train", "dev"):
        (tmp_path / f"ynat-v1.1_{part}.json").write_text(json.dumps(records), encoding="utf-8")
    found = prepare("ynat", tmp_path, encoder, tmp_path / "data")
    assert found.splits["test.ko"] == [("ko", 7)]
    assert [label[0] - 4 for label in stored(tmp_path / "data", "train")[1]] == [*range(7)]
    for part in ("train", "dev"):
        (tmp_path / f"ynat-v1.1_{part}.json").rename(tmp_path / f"ynat-v1_{part}.json")
    assert prepare("ynat", tmp_path, encoder, tmp_path / "older").splits == found.splits
    (tmp_path / "ynat-v1.1_train.json").write_text("[]")
    with pytest.raises(InputError, match=r"contains ynat-v1 and ynat-v1\.1; keep only one version"):
        prepare("ynat", tmp_path, encoder, tmp_path / "both")


def test_rejects_are_counted(encoder, tmp_path, capsys):
    place = wcm(tmp_path / "wcm")
    with open(place / "zh/train.txt", "a") as file:
        file.write("\n\t3\n")
    prepare("wcm", place, encoder, tmp_path / "data", "--classes", "a,b,c,d")
    assert "blank 1, no text 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("zh/train.txt", "天\t0\n天\t9\n", r"zh/train.txt:2: unknown label '9'; the labels of wcm are 0 a, 1 b, 2 c"),
        ("zh/train.txt", "天\t0\n天 0\n", r"zh/train.txt:2: no label; write text, a tab and the label"),
        ("zh/train.txt", "天\t0\n天\t\n", r"zh/train.txt:2: no label"),
        ("zh/train.txt", "天\t0\n天\t1\n天\t2\n", r"--classes: no training example of wcm has the class 3 d"),
        ("minority/ug.txt", "\n", r"minority/ug.txt: no examples \(blank 1\); add some, or remove the file"),
        ("zh/dev.txt", None, r"zh/dev.txt: no such file; expected WCM's"),
    ],
)
def test_bad_sets_are_refused(encoder, tmp_path, path, content, message):
    place = wcm(tmp_path / "wcm")
    (place / path).unlink()
    if content is not None:
        (place / path).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        prepare("wcm", place, encoder, tmp_path / "data", "--classes", "a,b,c,d")


def test_other_directories_are_refused(encoder, tmp_path):
    (tmp_path / "ynat-v1.1_train.json").write_text("{}")
    (tmp_path / "ynat-v1.1_dev.json").write_text("[]")
    for kind, message in (("ynat", "not a JSON list"), ("cmnews", "no folder for a minority language")):
        with pytest.raises(InputError, match=message):
            prepare(kind, tmp_path, encoder, tmp_path / "data")
    with pytest.raises(InputError, match="--classes a,a: name at least two different"):
        prepare("wcm", tmp_path, encoder, tmp_path / "data", "--classes", "a,a")


# --- training, predictions, report ---

OPTIONS = """
    --user-dir swcm_fairseq --task multilingual_classification --criterion multilingual_classification
    --arch roberta_base --tokens-per-sample 20 --batch-size 8 --required-batch-size-multiple 1 --optimizer adam
    --dropout 0 --attention-dropout 0 --lr 2e-2 --lr-scheduler warmup_linear --warmup-init-lr 0 --warmup-epochs 0.5
    --max-epoch 8 --validate-interval 4 --cpu --num-workers 0
    --no-epoch-checkpoints --best-checkpoint-metric macro_f1_mean --maximize-best-checkpoint-metric --log-format json
"""


def test_from_an_encoder_to_the_report(encoder, tmp_path, capsys, caplog):
    """Sizes follow the encoder; the checkpoint can serve as an encoder again; the words are learned."""
    caplog.set_level("INFO")
    data, place = tmp_path / "data", tmp_path / "runs/classification/wcm/tiny/seed-1"
    prepare("wcm", wcm(tmp_path / "wcm"), encoder, data, "--classes", "a,b,c,d")
    start = encoder.parent / "start.pt"
    run("fairseq-train", data, *OPTIONS.split(), "--finetune-from-model", start, "--save-dir", place)
    valid = [json.loads(line) for line in caplog.messages if '"valid_macro_f1"' in line]
    assert len(valid) == 2 and float(valid[-1]["valid_macro_f1"]) > 95
    assert {"valid_macro_f1_mean", "valid_weighted_f1", "valid_accuracy"} < valid[-1].keys()
    assert read_fairseq_sizes(place / "checkpoint_best.pt").layers == 2
    assert read_encoder(place / "checkpoint_best.pt").symbols == read_encoder(FIXTURE).symbols
    start_again = ["--path", str(place / "checkpoint_best.pt"), "--cpu"]
    classify.main([str(data), *start_again, "--output", str(place / "test")])
    assert (place / "test/ug.labels").read_text().split() == ["0", "1"] * 3
    assert sorted(path.name for path in (place / "test").iterdir()) == [
        f"{lang}.{name}" for lang in ("bo", "ug", "zh") for name in ("labels", "predictions")
    ]
    classify.main([str(data), *start_again, "--split", "valid", "--output", str(place / "dev")])
    assert (place / "dev/zh.labels").read_text().split() == ["0", "1", "2", "3"] * 3
    with pytest.raises(InputError, match=r"--langs bo: .* has no valid data in this language; available: zh"):
        classify.main([str(data), *start_again, "--split", "valid", "--output", str(place / "dev"), "--langs", "bo"])
    with pytest.raises(InputError, match=r"--langs kk: .* has no test data in this language; available: bo, ug, zh"):
        classify.main([str(data), *start_again, "--output", str(place / "test"), "--langs", "kk"])
    capsys.readouterr()
    classification_report.main(["--runs", str(tmp_path / "runs"), "--json", str(tmp_path / "numbers.json")])
    table = capsys.readouterr().out
    assert "XLM-R-base (paper) | 5 | 19.0 | 23.3 | 78.1 | 29.3 | 36.2 |" in table
    assert "| bo accuracy | ug accuracy | zh accuracy | minorities accuracy | all accuracy |" in table
    numbers = json.loads((tmp_path / "numbers.json").read_text())["wcm"]["tiny"]
    minorities = np.mean([numbers[f"{lang} macro-F1"] for lang in ("bo", "ug")])
    assert numbers["dev zh macro-F1"][0] > 95
    assert numbers["minorities macro-F1"] == [minorities] and numbers["zh macro-F1"][0] > 95


def test_mean_and_range_over_seeds(tmp_path, capsys):
    for seed, predicted in ((1, "0 1 1 0"), (2, "0 1 0 0")):
        for split, labels in (("test", "0 1 0 0"), ("dev", predicted)):
            place = tmp_path / f"classification/tncc/ours/seed-{seed}/{split}"
            place.mkdir(parents=True)
            (place / "bo.labels").write_text(labels.replace(" ", "\n") + "\n")
            (place / "bo.predictions").write_text(predicted.replace(" ", "\n") + "\n")
    classification_report.main(["--runs", str(tmp_path)])
    table = capsys.readouterr().out
    dev = "100.0 (100.0 to 100.0)"
    assert f"| ours | 2 | {dev} | {dev} | 87.5 (75.0 to 100.0) | 86.7 (73.3 to 100.0) |" in table
    assert "| CINO-base (paper) | 5 | 74.8 | 71.4 | 73.1 | 70.0 |" in table
    assert table.count("| ours |") == 1  # the paper has accuracies, too


def test_scores_of_validation_add_up_over_batches_and_languages(encoder, tmp_path):
    prepare("wcm", wcm(tmp_path / "wcm"), encoder, tmp_path / "data", "--classes", "a,b,c,d")
    counts = [label_counts(np.array(x), np.array(y), 4) for x, y in (([0, 1], [0, 1]), ([0, 1], [0, 0]))]
    task = classification_task.MultilingualClassificationTask.__new__(
        classification_task.MultilingualClassificationTask
    )
    criterion = type("Criterion", (), {"reduce_metrics": staticmethod(lambda logs: None)})()
    logs = [{"ntokens": 4, "nsentences": 2, "label_counts": torch.from_numpy(np.stack(counts))}] * 2
    with metrics.aggregate(new_root=True) as found:
        for log in logs:
            task.reduce_metrics([log], criterion)
    values = found.get_smoothed_values()
    assert values["macro_f1_mean"] == pytest.approx((100 + 100 / 3) / 2)
    assert values["macro_f1"] == pytest.approx(100 * (0.8 + 2 / 3) / 2)


def test_hopeless_trainings_are_refused(encoder, tmp_path):
    data = tmp_path / "data"
    prepare("wcm", wcm(tmp_path / "wcm"), encoder, data, "--classes", "a,b,c,d")
    start = encoder.parent / "start.pt"

    def train(*options):
        run("fairseq-train", data, *OPTIONS.split(), "--save-dir", tmp_path / "run", *options)

    for options, message in (
        (["--finetune-from-model", "none.pt"], "--finetune-from-model none.pt: no such file"),
        (["--num-classes", 9], "--num-classes 9: .* has 4 classes; remove the option"),
        (
            ["--finetune-from-model", start, "--tokens-per-sample", 200],
            "--tokens-per-sample 200: .* has only 40 positions",
        ),
        (["--finetune-from-model", start, "--valid-subset", "test.kk"], "no split 'test.kk'; available: train, valid"),
    ):
        with pytest.raises(InputError, match=message):
            train(*options)
    dictionary = data / "input0/dict.txt"
    dictionary.write_text("".join(reversed(dictionary.read_text().splitlines(keepends=True))))
    with pytest.raises(InputError, match="has other pieces than"):
        train("--finetune-from-model", start)
