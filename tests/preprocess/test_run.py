"""Manifests: the whole chain from one file, skipped steps, and refused manifests."""

import json

import pytest
import yaml

from preprocess import run
from preprocess.steps.manifest import read_manifest
from preprocess.text import split
from preprocess.text.split import split_position
from swcm_fairseq.data.corpora import Corpora
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import SENTENCES, sentences, write_lines


def write_manifest(path, **content):
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture
def manifest(vocabulary_dir, tmp_path):
    """A manifest with documents, pairs and summaries; its path and content."""
    records = [{"title": f"ཁ་བྱང་ {i}།", "text": text, "url": ""} for i, text in enumerate(sentences("bo", 200))]
    write_lines(tmp_path / "mc2.jsonl", [json.dumps(record) for record in records] + ["not json"])
    for lang in ("zh", "bo"):
        write_lines(tmp_path / f"pairs.{lang}", sentences(lang, 50))
    content = {
        "output": str(tmp_path / "data-bin"),
        "vocabulary": str(vocabulary_dir),
        "work": str(tmp_path / "work"),
        "corpora": [
            {
                "name": "bo",
                "format": "mc2",
                "input": str(tmp_path / "mc2.jsonl"),
                "lang": "bo",
                "split": {"train": 0.8, "valid": 0.2},
            },
            {
                "name": "zh-bo",
                "format": "plain-pairs",
                "input": [str(tmp_path / "pairs.zh"), str(tmp_path / "pairs.bo")],
                "lang": "zh-bo",
                "limit": 20,
                "clean": {"without": ["duplicates"]},
            },
            {
                "name": "titles",
                "format": "mc2",
                "input": str(tmp_path / "mc2.jsonl"),
                "lang": "bo",
                "use": "summary",
                "clean": False,
            },
        ],
    }
    return write_manifest(tmp_path / "manifest.yaml", **content), content


def test_everything_from_one_file(manifest, tmp_path, capsys):
    run.main([str(manifest[0])])
    assert capsys.readouterr().out.count("next: ") == 1, "only the last step must print the next command"
    corpora = {corpus.name: corpus.splits for corpus in Corpora.read(tmp_path / "data-bin").corpora}
    assert list(corpora) == ["bo", "titles", "zh-bo"]
    assert {split: 0 < part.samples < 200 for split, part in corpora["bo"].items()} == {"train": True, "valid": True}
    assert sum(part.samples for part in corpora["bo"].values()) == 200
    assert corpora["titles"]["train"].source == "train.titles.source"
    assert corpora["zh-bo"]["train"].samples == 20
    assert (tmp_path / "work/bo/train-valid/extract.rejects").read_text() == f"{tmp_path / 'mc2.jsonl'}:201:not JSON\n"
    run.main([str(manifest[0])])
    output = capsys.readouterr().out
    assert output.count("done before") == 3 + 3 + 2
    assert " new" not in output


def test_a_changed_corpus_is_read_again(manifest, tmp_path):
    run.main([str(manifest[0])])
    write_lines(tmp_path / "pairs.zh", sentences("zh", 10))
    write_lines(tmp_path / "pairs.bo", sentences("bo", 10))
    run.main([str(manifest[0])])
    corpora = {corpus.name: corpus.splits for corpus in Corpora.read(tmp_path / "data-bin").corpora}
    assert corpora["zh-bo"]["train"].samples == 10


def test_a_changed_file_of_a_folder_is_read_again(vocabulary_dir, tmp_path):
    """The folder of a category does not change when an article in it is rewritten."""
    article = tmp_path / "THUCNews/体育/1.txt"
    article.parent.mkdir(parents=True)
    article.write_text("标题\n正文一。", encoding="utf-8")
    corpus = {"name": "zh", "format": "thucnews", "input": str(tmp_path / "THUCNews"), "lang": "zh", "clean": False}
    places = {"output": str(tmp_path / "data-bin"), "vocabulary": str(vocabulary_dir), "work": str(tmp_path / "work")}
    path = write_manifest(tmp_path / "manifest.yaml", corpora=[corpus], **places)
    run.main([str(path)])
    article.write_text("标题\n正文二，更长。", encoding="utf-8")
    run.main([str(path)])
    assert (tmp_path / "work/zh/train/train.zh").read_text(encoding="utf-8") == "正文二，更长。\n"


def test_an_empty_split_writes_no_files(manifest, tmp_path):
    path, content = manifest
    run.main([str(path)])
    train = tmp_path / "work/bo/train-valid/train.bo"
    before = train.read_bytes()
    content["corpora"][0]["split"] = {"train": 1 - 1e-9, "valid": 1e-9}
    with pytest.raises(InputError, match="no line falls into the split 'valid'; give it a larger share"):
        run.main([str(write_manifest(path, **content))])
    assert train.read_bytes() == before


def test_a_line_that_is_too_long_to_divide_is_not_cut(manifest, monkeypatch):
    monkeypatch.setattr(split, "MAX_LINE_BYTES", 50)
    with pytest.raises(InputError, match=r"clean.bo:1: longer than 50 bytes"):
        run.main([str(manifest[0])])


def test_answers_that_are_numbers_stay(vocabulary_dir, tmp_path):
    record = {"question": "Қай жылы?", "context": "Ол 1991 жылы болды.", "answers": {"text": ["1991"]}}
    write_lines(tmp_path / "kazqad.jsonl", [json.dumps(record)])
    corpus = {"name": "qa", "format": "kazqad", "input": str(tmp_path / "kazqad.jsonl"), "lang": "kk"}
    places = {"output": str(tmp_path / "data-bin"), "vocabulary": str(vocabulary_dir), "work": str(tmp_path / "work")}
    run.main([str(write_manifest(tmp_path / "manifest.yaml", corpora=[corpus], **places))])
    assert (tmp_path / "work/qa/train/train.target").read_text() == "1991\n"


def test_repeats_fall_into_one_split():
    assert split_position("ཀ་ཁ།") == split_position(" ཀ་ཁ ") == split_position("ཀ་ཁ")
    assert split_position("Abc, d") == split_position("ABC D")
    numbers = [split_position(str(i)) for i in range(2000)]
    assert 0.45 < sum(numbers) / len(numbers) < 0.55


def test_missing_corpora_are_named_with_their_publisher(manifest, tmp_path):
    path, content = manifest
    for corpus in content["corpora"][:2]:
        corpus["input"] = ["/no/such"]
        corpus["published"] = "https://example.org/corpus"
    write_manifest(path, **content)
    with pytest.raises(InputError) as error:
        run.main([str(path)])
    assert str(error.value).count("/no/such is missing (its authors publish it at https://example.org/corpus)") == 2
    assert not (tmp_path / "data-bin").exists()


@pytest.mark.parametrize("option", ["held_out", "boilerplate"])
def test_a_missing_file_for_cleaning_is_reported_before_its_corpus_is_read(manifest, tmp_path, option):
    path, content = manifest
    content["corpora"][0]["clean"] = {option: "nothere.txt"}
    with pytest.raises(InputError, match=r"^nothere\.txt: no such file \(named by clean of bo\)"):
        run.main([str(write_manifest(path, **content))])
    assert not (tmp_path / "work").exists()


def test_messages_of_the_steps_name_keys(manifest):
    path, content = manifest
    content["corpora"][1]["input"] = content["corpora"][1]["input"][:1]
    with pytest.raises(InputError, match=r"manifest.yaml: corpora\[1\]: input has 1 file\(s\); give two"):
        run.main([str(write_manifest(path, **content))])
    content["corpora"][0]["clean"] = {"min_chars": 10_000}
    with pytest.raises(
        InputError, match=r"corpora\[0\]: .*no lines are left .*; check lang, or skip a step: clean: without"
    ):
        run.main([str(write_manifest(path, **content))])


def test_a_corpus_whose_name_the_system_refuses(manifest):
    path, content = manifest
    content["corpora"][0]["input"] = "x" * 300
    with pytest.raises(InputError, match=r"^x+: File name too long$"):
        run.main([str(write_manifest(path, **content))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": "x"}, r"unknown key 'outputs'; known keys are output, vocabulary, work, corpora, workers"),
        ({"corpora": []}, "a list of at least one corpus"),
        ({"output": None}, "output: None is not a file name; put it in quotes"),
        ({"work": ""}, "work: '' is not a file name"),
        ({"vocabulary": ["a"]}, r"vocabulary: \['a'\] is not a file name"),
        ({"workers": 0}, "workers: 0: must be at least 1"),
        ({"corpora": [{"name": "x"}]}, r"corpora\[0\]: the key 'format' is missing"),
        ({"corpora": [{"nam": "x"}]}, r"corpora\[0\]: unknown key 'nam'; known keys are name, format"),
    ],
)
def test_keys_are_checked(manifest, change, message):
    path, content = manifest
    with pytest.raises(InputError, match=message):
        read_manifest(write_manifest(path, **{**content, **change}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": []}, r"input: \[\] is not a file name"),
        ({"input": ["a", None]}, "input: None is not a file name"),
        ({"input": 2024}, "input: 2024 is not a file name; put it in quotes"),
        ({"format": ["plain"]}, r"unknown format \['plain'\]"),
        ({"split": {"train": float("nan"), "valid": 0.5}}, "is too large or not a finite number"),
        ({"format": "mc3"}, "unknown format 'mc3'; known formats are mc2"),
        (
            {"name": "x", "format": "tmx", "lang": "zh-bo", "repeated_paragraphs": 5},
            r"corpora\[0\]: repeated_paragraphs: tmx has no documents; omit the option$",
        ),
        (
            {"clean": {"kazakh_script": "arabic"}},
            r"corpora\[0\]: clean: kazakh_script: lang bo has no Kazakh \(kk\); omit the option$",
        ),
        (
            {"fields": {"a": "b"}},
            r"corpora\[0\]: fields: .* give the names of the fields for text, title, source, target",
        ),
        ({"use": "answer"}, "not supported by mc2; give text or summary"),
        ({"lang": "Tibetan"}, "not a language code"),
        ({"split": {"train": 0.5}}, "shares must be above 0 and sum to 1"),
        ({"split": 3}, "give a name, or"),
        ({"clean": {"nearly": 0.8}}, r"clean: unknown key 'nearly'; known keys are .*without"),
        ({"clean": {"near": "much"}}, "clean: near: 'much' is not a number"),
        ({"clean": {"near": 8}}, "clean: near: 8: must be between 0 and 1"),
        ({"clean": {"min_chars": 2.5}}, r"clean: min_chars: 2\.5 is not a number"),
        ({"clean": {"fold": 1}}, "clean: fold: 1 is not true or false"),
        ({"clean": {"without": ["scripts"]}}, "clean: without: unknown step 'scripts'; known steps are controls"),
        ({"clean": ["near"]}, "give true, false or options"),
        ({"limit": 0}, "limit: 0: must be at least 1"),
        ({"limit": True}, "limit: True is not a number"),
        ({"split": "dev"}, "'dev' is not a split; use train, valid or test"),
        ({"split": {"train": 0.5, "trial": 0.5}}, "'trial' is not a split"),
        ({"lang": "zh-bo"}, "lang 'zh-bo': mc2 as text needs one"),
        ({"lang": False}, "put it in quotes"),
        ({"name": "../bo"}, r"name: '\.\./bo': use letters"),
        ({"format": "tmx"}, "lang 'bo': tmx as pair needs two, as zh-bo"),
        ({"name": "titles"}, "two corpora are named 'titles'"),
    ],
)
def test_corpora_are_checked(manifest, change, message):
    path, content = manifest
    content["corpora"][0].update(change)
    with pytest.raises(InputError, match=message):
        read_manifest(write_manifest(path, **content))


def test_broken_yaml(tmp_path):
    path = tmp_path / "manifest.yaml"
    path.write_text("output: x\ncorpora: [\n")
    with pytest.raises(InputError, match=r"manifest.yaml:3: not YAML"):
        read_manifest(path)
    with pytest.raises(InputError, match="No such file"):
        read_manifest(tmp_path / "none.yaml")
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"manifest.yaml:1: invalid UTF-8; save"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("output: a\nwork: b\noutput: c\n", r"manifest.yaml:3: not YAML: the key 'output' occurs twice"),
        ("corpora:\n  - {lang: bo,\n     lang: zh}\n", r"manifest.yaml:3: not YAML: the key 'lang' occurs twice"),
        (
            "corpora:\n  - published: 2024-02-30\n",
            r"manifest.yaml:2: not YAML: '2024-02-30' is not a valid value; if it is text, put it in quotes",
        ),
        ("workers: !!int x\n", r"manifest.yaml:1: not YAML: 'x' is not a valid value"),
        ("workers: !!float ''\n", r"manifest.yaml:1: not YAML: ''"),
        ("[" * 5000, r"manifest.yaml: this YAML cannot be read, because it is nested too deeply"),
    ],
)
def test_yaml_that_pyyaml_passes_over(tmp_path, content, message):
    path = tmp_path / "manifest.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_manifest(path)


def test_a_merged_key_may_be_given_again(manifest):
    path, content = manifest
    entry = yaml.safe_dump({**content, "corpora": content["corpora"][:1]}, sort_keys=False)
    path.write_text(f"{entry}- <<: {{lang: zh, name: zh}}\n  format: mc2\n  lang: kk\n  input: x\n")
    assert [(each.name, each.lang) for each in read_manifest(path).corpora] == [("bo", "bo"), ("zh", "kk")]


def test_ready_manifests_are_valid(repository):
    paths = sorted((repository / "examples/manifests").glob("*.yaml"))
    assert len(paths) >= 4
    for path in paths:
        assert read_manifest(path).corpora
        with pytest.raises(InputError, match="is missing"):
            run.main([str(path)])


def test_all_languages_of_the_paper_have_a_corpus(repository):
    manifest = read_manifest(repository / "examples/manifests/pretraining.yaml")
    assert {entry.lang for entry in manifest.corpora if len(entry.langs) == 1} == set(SENTENCES)


def test_a_missing_vocabulary_is_reported_before_any_work(manifest, tmp_path):
    path, content = manifest
    write_manifest(path, **{**content, "vocabulary": str(tmp_path / "none")})
    with pytest.raises(InputError, match=r"none/dict.txt is missing \(make a vocabulary"):
        run.main([str(path)])
    assert not (tmp_path / "work").exists()
