"""Corpora made from the sample text, in their published formats and at the paths that the manifests expect."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl


def write_corpora(folder: Path, sample: Path) -> None:
    """Fill ``folder`` (``corpora/`` of the examples) from the sample data."""

    def lines(name: str) -> list[str]:
        return (sample / name).read_text("utf-8").splitlines()

    (folder / "mc2").mkdir(parents=True)
    for lang, date in {"bo": "1112", "ug": "1112", "kk": "1112", "mn": "1127"}.items():
        records = [{"title": text[:20], "text": text, "url": ""} for text in lines(f"mono.{lang}.train.txt")]
        _write_records(folder / f"mc2/{lang}-crawl-only-release-2023{date}.jsonl", records)
    chinese = list(zip(lines("title.zh.train.title"), lines("title.zh.train.article"), strict=True))
    with zipfile.ZipFile(folder / "THUCNews.zip", "w") as archive:
        for number, (title, text) in enumerate(chinese):
            archive.writestr(f"THUCNews/科技/{number}.txt", f"{title}\n　　{text}\n")
    (folder / "pairs").mkdir()
    for lang in ("bo", "kk", "mn", "ug"):
        for side in ("zh", lang):
            shutil.copy(sample / f"zh-{lang}.train.{side}", folder / f"pairs/zh-{lang}.{side}")
    tibetan = list(zip(lines("title.bo.train.title"), lines("title.bo.train.article"), strict=True))
    summaries = [{"text": text, "summary": title} for title, text in tibetan]
    (folder / "ti-sum.json").write_text(json.dumps(summaries, ensure_ascii=False), "utf-8")
    (folder / "LCSTS2.0/DATA").mkdir(parents=True)
    (folder / "LCSTS2.0/DATA/PART_I.txt").write_text(
        "".join(
            f"<doc id={number}>\n<summary>\n{title}\n</summary>\n<short_text>\n{text}\n</short_text>\n</doc>\n"
            for number, (title, text) in enumerate(chinese)
        ),
        "utf-8",
    )
    _write_questions(folder, tibetan, chinese)
    _write_labelled(folder / "wcm", lines)
    pairs = zip(lines("zh-bo.train.bo"), lines("zh-bo.train.zh"), strict=True)
    (folder / "ParallelCorpusSFT").mkdir()
    (folder / "ParallelCorpusSFT/bilingual.txt").write_text(
        "".join(f"Source:{source}Target:{target}\n" for source, target in pairs), "utf-8"
    )


def _write_labelled(folder: Path, lines: Callable[[str], list[str]]) -> None:
    """Write WCM: each line with one of ten labels."""
    files = {f"zh/{name}.txt": "zh" for name in ("train", "dev", "test")} | {"minority/bo.txt": "bo"}
    for name, lang in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        labelled = (f"{text}\t{number % 10}\n" for number, text in enumerate(lines(f"mono.{lang}.train.txt")))
        (folder / name).write_text("".join(labelled), "utf-8")


def _write_questions(folder: Path, tibetan: list[tuple[str, str]], chinese: list[tuple[str, str]]) -> None:
    """Write TibetanQA and CMRC 2018; each answer is the title of a section."""
    (folder / "TibetanQA").mkdir()
    book = openpyxl.Workbook()
    book.active.append(["问题", "答案", "文本"])
    for title, text in tibetan:
        book.active.append(["ཅི་ཡིན?", title, text])
    book.save(folder / "TibetanQA/TibetanQA.xlsx")
    (folder / "cmrc2018/data").mkdir(parents=True)
    paragraphs = [
        {
            "context": text,
            "qas": [{"id": str(number), "question": "什么?", "answers": [{"text": title, "answer_start": 0}]}],
        }
        for number, (title, text) in enumerate(chinese)
    ]
    data = {"version": "1.0", "data": [{"title": "", "paragraphs": [paragraph]} for paragraph in paragraphs]}
    (folder / "cmrc2018/data/cmrc2018_train.json").write_text(json.dumps(data, ensure_ascii=False), "utf-8")


def _write_records(path: Path, records: list[dict[str, str]]) -> None:
    path.write_text("".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records), "utf-8")
