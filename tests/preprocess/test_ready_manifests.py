"""Every ready manifest runs completely on small files in the real formats, at the paths that it names."""

import json
import zipfile
from pathlib import Path

import openpyxl
import pytest

from preprocess import run
from preprocess.steps.manifest import CorpusEntry, read_manifest
from swcm_fairseq.data.corpora import Corpora, Kind
from swcm_fairseq.data.languages import language
from tests.preprocess.conftest import sentences

COUNT = 120
DOWNSTREAM = {
    "summarization": {"bo-bo"},
    "reading_comprehension": {"bo-bo"},
    "translation": {"bo-zh"},
    "crosslingual_summarization": {"bo-bo", "kk-kk", "mn-mn", "ug-ug", "zh-zh"},
    "crosslingual_reading_comprehension": {"bo-bo", "kk-kk", "mn-mn", "ug-ug", "zh-zh"},
    "headlines": {"bo-bo"},
    "cmhg": {"bo-bo", "mn-mn", "ug-ug"},
    "milic_titles": {"bo-bo", "kk-kk", "mn-mn", "ug-ug"},
    "milic_translation": {"zh-bo", "zh-kk", "zh-mn", "zh-ug"},
}


def json_lines(path: Path, records: list[dict]) -> None:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")


def thucnews(path: Path, texts: list[str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for i, text in enumerate(texts):
            archive.writestr(f"THUCNews/体育/{i}.txt", f"标题{i}\n　　{text}\n")


def lcsts(path: Path, texts: list[str]) -> None:
    doc = "<doc id={}>\n    <human_label>4</human_label>\n    <summary>\n        标题{}\n    </summary>\n"
    doc += "    <short_text>\n        {}\n    </short_text>\n</doc>\n"
    path.write_text("".join(doc.format(i, i, text) for i, text in enumerate(texts)), encoding="utf-8")


def tibetan_qa(path: Path, texts: list[str]) -> None:
    book = openpyxl.Workbook()
    book.active.append(["问题", "答案", "文本", "", "标题"])
    for i, text in enumerate(texts):
        book.active.append([f"ཅི་ཞིག {i}", f"ལན་ {i}", text, str(i), "མིང་"])
    book.save(path)


def cmrc(path: Path, texts: list[str]) -> None:
    passages = [
        {"context_text": text, "qas": [{"query_text": f"问题{i}?", "query_id": str(i), "answers": [f"答案{i}"]}]}
        for i, text in enumerate(texts)
    ]
    path.write_text(json.dumps(passages), encoding="utf-8")


def cmhg(path: Path, texts: list[str]) -> None:
    rows = "".join(f'{i},"{text[:9]} {i}","{text}",,,,,\n' for i, text in enumerate(texts))
    header = "id,title,content,title_match_1,title_match_2,tendency,average_score,score_difference\n"
    path.write_text(header + rows, encoding="utf-8")


def json_list(entry: CorpusEntry, path: Path, texts: list[str]) -> None:
    names = {"text": "text", "title": "summary", **entry.fields}
    records = [{"id": str(i), names["text"]: text, names["title"]: f"{text[:9]} {i}"} for i, text in enumerate(texts)]
    path.write_text(json.dumps(records), encoding="utf-8")


WRITERS = {
    "mc2": lambda path, texts: json_lines(
        path, [{"title": f"{text[:9]} {i}", "text": text, "url": ""} for i, text in enumerate(texts)]
    ),
    "thucnews": thucnews,
    "lcsts": lcsts,
    "cmhg": cmhg,
    "tibetanqa": tibetan_qa,
    "cmrc2018": cmrc,
    "kazqad": lambda path, texts: json_lines(
        path,
        [{"question": f"Не {i}?", "context": text, "answers": {"text": ["иә"]}} for i, text in enumerate(texts)],
    ),
}


def write_corpus(entry: CorpusEntry, texts: dict[str, list[str]]) -> None:
    """Write small files in the format of a corpus at the paths that the manifest names."""
    paths = [Path(path) for path in entry.input]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    if entry.format == "sft-pairs":
        rows = zip(*(texts[lang] for lang in entry.langs), strict=True)
        paths[0].write_text("".join(f"Source:{one}Target:{other}\n" for one, other in rows), encoding="utf-8")
    elif entry.format == "json":
        for path in paths:
            json_list(entry, path, texts[entry.lang])
    elif entry.format == "json-pairs":
        rows = zip(*(texts[lang] for lang in entry.langs), strict=True)
        records = [{"id": i, **dict(zip(entry.langs, row, strict=True))} for i, row in enumerate(rows)]
        for path in paths:
            path.write_text(json.dumps(records), encoding="utf-8")
    elif entry.format == "flores":
        paths[0].mkdir(exist_ok=True)
        for lang in entry.langs:
            records = [{"id": i, "text": text, "domain": "wikinews"} for i, text in enumerate(texts[lang])]
            json_lines(paths[0] / f"{language(lang).flores}.jsonl", records)
    elif entry.format == "plain-pairs":
        for path, lang in zip(paths, entry.langs, strict=True):
            path.write_text("".join(f"{text}\n" for text in texts[lang]), encoding="utf-8")
    else:
        WRITERS[entry.format](paths[0], texts[entry.lang])


def run_manifest(path: Path, vocabulary: Path, folder: Path, monkeypatch) -> Corpora:
    texts = {lang: sentences(lang, COUNT) for lang in ("bo", "kk", "mn", "ug", "zh")}
    monkeypatch.chdir(folder)
    manifest = read_manifest(path)
    for entry in manifest.corpora:
        write_corpus(entry, texts)
    # The sample text is short, so shares as small as those of LCSTS would leave a split empty.
    monkeypatch.setattr(CorpusEntry, "shares", property(lambda self: _even(self.split)))
    run.main([str(path), "--vocabulary", str(vocabulary), "--workers", "1"])
    return Corpora.read(manifest.output)


def _even(split: str | dict[str, float]) -> dict[str, float]:
    names = [split] if isinstance(split, str) else list(split)
    return dict.fromkeys(names, 1 / len(names))


@pytest.mark.parametrize("name", DOWNSTREAM)
def test_downstream_sets_have_all_splits_in_all_languages(name, repository, vocabulary_dir, tmp_path, monkeypatch):
    corpora = run_manifest(repository / f"examples/manifests/{name}.yaml", vocabulary_dir, tmp_path, monkeypatch)
    assert {f"{each.source_lang}-{each.target_lang}" for each in corpora.corpora} == DOWNSTREAM[name]
    for corpus in corpora.corpora:
        assert corpus.kind is Kind.PAIR
        assert corpus.splits.keys() == {"train", "valid", "test"}
        assert all(split.samples > 10 for split in corpus.splits.values())


def test_the_papers_mix_of_questions_is_tested_on_tibetan_qa(repository, vocabulary_dir, tmp_path, monkeypatch):
    path = repository / "examples/manifests/reading_comprehension_mix.yaml"
    limits = {entry.name: entry.limit for entry in read_manifest(path).corpora}
    assert limits["tibetan_sft"] == {"train": 5000} and limits["cmrc_bo"] == {"train": 3000}
    splits = {each.name: set(each.splits) for each in run_manifest(path, vocabulary_dir, tmp_path, monkeypatch).corpora}
    assert splits == {"tibetan_qa": {"train", "valid", "test"}, "tibetan_sft": {"train"}, "cmrc_bo": {"train"}}


def test_pretraining_has_text_and_pairs_of_all_languages(repository, vocabulary_dir, tmp_path, monkeypatch):
    corpora = run_manifest(repository / "examples/manifests/pretraining.yaml", vocabulary_dir, tmp_path, monkeypatch)
    assert [each.name for each in corpora.corpora] == [
        *("bo", "kk", "mn", "ug", "zh"),
        *("zh-bo", "zh-kk", "zh-mn", "zh-ug"),
    ]
    for corpus in corpora.corpora:
        expected = {"train", "valid"} if corpus.kind is Kind.MONO else {"train"}
        assert corpus.splits.keys() == expected


def test_flores_has_no_training_text(repository, vocabulary_dir, tmp_path, monkeypatch):
    corpora = run_manifest(repository / "examples/manifests/flores.yaml", vocabulary_dir, tmp_path, monkeypatch)
    assert [each.name for each in corpora.corpora] == ["zh-bo", "zh-kk", "zh-mn", "zh-ug"]
    assert all(
        {name: split.samples for name, split in each.splits.items()} == {"valid": COUNT, "test": COUNT}
        for each in corpora.corpora
    )


def test_every_ready_manifest_is_run_here(repository):
    others = {"pretraining", "reading_comprehension_mix", "flores"}
    assert {path.stem for path in (repository / "examples/manifests").glob("*.yaml")} == {*DOWNSTREAM, *others}
