"""Every reader on a small file in the real format, and on the complete question answering files of the data pack."""

import gzip
import json
import random
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import openpyxl
import pyarrow.ipc
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preprocess import extract
from preprocess.readers import FORMATS
from preprocess.readers.records import Document, Pair, Question
from preprocess.readers.source import Source, Unread
from preprocess.steps.ledger import Reject
from swcm_fairseq.errors import InputError

DIRTY = Path(__file__).parent / "dirty"


def read(name, *paths, langs=("bo",), **options):
    items = FORMATS[name].read(Source([Path(path) for path in paths], langs, **options))
    return [item.record() if isinstance(item, Unread) else item for item in items]


def run(name, *args):
    extract.main([name, *map(str, args)])


def lines(path):
    return path.read_text(encoding="utf-8").split("\n")[:-1]


MC2 = (
    '{"title":"پارتيانىڭ 19 - قۇرىلتايى","text":"ليۋ چيباۋ، ...\\n\\n\\n(شينحۋا)",'
    '"url":"kazakh.altxw.com\\/system\\/1.shtml"}\n'
    '{"title":"","text":"CulturaX","url":"x"}\n'
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_mc2(write, tmp_path, pack):
    path = write("kk.jsonl", pack(MC2.encode()))
    first, second = read("mc2", path, langs=("kk",))
    assert first == Document((str(path), 1), "kk", "ليۋ چيباۋ، ...\n\n\n(شينحۋا)", "پارتيانىڭ 19 - قۇرىلتايى")
    assert second.title == ""
    run("mc2", "--input", path, "--lang", "kk", "--output", tmp_path / "text")
    assert lines(tmp_path / "text.kk") == ["ليۋ چيباۋ، ... (شينحۋا)", "CulturaX"]


def test_malformed_json_lines(tmp_path):
    run(
        "mc2",
        "--input",
        DIRTY / "malformed.jsonl",
        "--lang",
        "zh",
        "--output",
        tmp_path / "t",
        "--rejects",
        tmp_path / "r",
    )
    rejected = {int(line.split(":")[-2]): line.split(":")[-1] for line in lines(tmp_path / "r")}
    assert rejected == {
        **{2: "not JSON", 9: "not JSON", 10: "not JSON", 3: "no field 'text'", 6: "blank", 13: "blank"},
        **{4: "'text' is not text", 5: "'text' is not text", 12: "not JSON"},  # 12: NaN
        **{7: "not a JSON object", 8: "not a JSON object"},
    }
    kept = lines(tmp_path / "t.zh")
    assert len(kept) == 4
    assert not any(word in "".join(kept) for word in ("20241121", "None", "nan"))


@pytest.mark.parametrize("packed", [False, True])
def test_thucnews(write, tmp_path, packed):
    for name, text in {
        "体育/10.txt": "标题十\n　　正文第一段　。\n　　第二段。\n",
        "体育/9.txt": "标题九\r\n　　正文。\r\n",
        "财经/1.txt": "只有标题",
    }.items():
        write(f"THUCNews/{name}", text)
    path = tmp_path / "THUCNews"
    if packed:
        with zipfile.ZipFile(tmp_path / "THUCNews.zip", "w") as archive:
            for file in path.rglob("*.txt"):
                archive.write(file, file.relative_to(tmp_path))
        path = tmp_path / "THUCNews.zip"
    run("thucnews", "--input", path, "--lang", "zh", "--use", "summary", "--output", tmp_path / "news")
    assert lines(tmp_path / "news.source") == ["正文。", "正文第一段　。 第二段。"]
    assert lines(tmp_path / "news.target") == ["标题九", "标题十"]
    assert [each.reason for each in read("thucnews", path, langs=("zh",)) if isinstance(each, Reject)] == ["no body"]


LCSTS = """<doc id=0>
    <human_label>5</human_label>
    <summary>
        可穿戴技术十大设计原则
    </summary>
    <short_text>
        本文作者 &raquo; A&B<BR/>设计
    </short_text>
</doc>
<doc id=1>
    <human_label>2</human_label>
    <summary>
        摘要
    </summary>
    <short_text>
        正文
    </short_text>
</doc>
<doc id=2>
    <summary>
        没有结尾
"""


def test_lcsts(write):
    path = write("PART_II.txt", LCSTS)
    first, second, third = read("lcsts", path, langs=("zh",), min_label=3)
    assert first == Document((str(path), 1), "zh", "本文作者 &raquo; A&B<BR/>设计", "可穿戴技术十大设计原则")
    assert second == Reject(str(path), 10, "human_label below 3")
    assert third == Reject(str(path), 19, "doc without end")


def test_summaries_in_json_and_csv(write):
    ti_sum = write("ti_sum.json", json.dumps([{"text": "གསར་འགྱུར།", "summary": "བསྡུས།"}, {"text": 3}, "x"]))
    first, second, third = read("json", ti_sum)
    assert (first.text, first.title) == ("གསར་འགྱུར།", "བསྡུས།")
    assert (second.reason, third.reason) == ("'text' is not text", "not a JSON object")
    cmhg = write("bo-all.csv", '\ufeffid,title,content\n1,ཁ་བྱང་།,"ནང་དོན།\nབཞི།"\n2,only two\n')
    first, second = read("csv", cmhg)
    assert (first.title, first.text) == ("ཁ་བྱང་།", "ནང་དོན།\nབཞི།")
    assert second.reason == "2 columns, not 3"
    xlsum = write("chinese.jsonl", json.dumps({"id": "1", "title": "题", "summary": "摘要", "text": "正文"}))
    assert read("xlsum", xlsum, langs=("zh",))[0].title == "摘要"
    fields = write("news.jsonl", json.dumps({"body": "b", "headline": "h"}))
    assert read("jsonl", fields, fields={"text": "body", "title": "headline"})[0] == Document(
        (str(fields), 1), "bo", "b", "h"
    )


def test_pairs(write):
    sft = write("sft.txt", "Source:ཏང་གི་སྒྲིག་ཡིག།Target:学党章党规；\nnothing\nSource:aTarget:bTarget:c\n")
    first, second, third = read("sft-pairs", sft, langs=("bo", "zh"))
    assert first == Pair((str(sft), 1), "bo", "zh", "ཏང་གི་སྒྲིག་ཡིག།", "学党章党规；")
    assert second.reason == third.reason == "not Source:...Target:..."
    one, other = write("RF.bo-zh.bo", "ཀ\nཁ\n"), write("RF.bo-zh.zh", "一\n二")
    assert [(each.source, each.target) for each in read("plain-pairs", one, other, langs=("bo", "zh"))] == [
        ("ཀ", "一"),
        ("ཁ", "二"),
    ]
    shorter = write("shorter", "ཀ\n")
    with pytest.raises(InputError, match=r"RF.bo-zh.zh has 2, .*shorter has 1"):
        read("plain-pairs", other, shorter, langs=("zh", "bo"))
    flores = write("pairs.jsonl", '{"id": 1, "zh": "一", "bo": "གཅིག"}\n{"zh": "二"}\n')
    assert [type(each) for each in read("jsonl-pairs", flores, langs=("zh", "bo"))] == [Pair, Reject]


def test_tsv_columns_never_shift():
    found = read("tsv-pairs", DIRTY / "tabs.zh-ug.tsv", langs=("zh", "ug"))
    assert [type(each) for each in found] == [Pair, Reject, Reject, Pair, Pair, Pair]
    assert [each.line for each in found if isinstance(each, Reject)] == [2, 3]


def test_tsv_with_an_empty_column_is_left_out(tmp_path):
    run("tsv-pairs", "--input", DIRTY / "tabs.zh-ug.tsv", "--lang", "zh-ug", "--output", tmp_path / "t")
    assert len(lines(tmp_path / "t.zh")) == len(lines(tmp_path / "t.ug")) == 2


TMX = """<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4."><header srclang="bo"/><body>
<tu><tuv xml:lang="bo"><seg>ཀ &amp; &lt;ཁ&gt;
ག</seg></tuv><tuv xml:lang="zh-CN"><seg>一</seg></tuv></tu>
<tu><tuv xml:lang="bo"><seg>ཀ</seg></tuv></tu>
</body></tmx>
"""


def test_tmx(write):
    path = write("x.tmx", TMX)
    first, second = read("tmx", path, langs=("bo", "zh"))
    assert (first.source, first.target) == ("ཀ & <ཁ>\nག", "一")
    assert second.reason == "no segment in zh"
    assert len(read("tmx", write("x.tmx.gz", gzip.compress(TMX.encode())), langs=("bo", "zh"))) == 2
    with pytest.raises(InputError, match="not TMX"):
        read("tmx", write("cut.tmx", TMX[:200]), langs=("bo", "zh"))
    bomb = TMX.replace("<tmx", '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tmx', 1)
    with pytest.raises(InputError, match="not TMX"):
        read("tmx", write("bomb.tmx", bomb), langs=("bo", "zh"))


CMRC = [
    {
        "context_id": "DEV_0",
        "context_text": "正文。",
        "title": "题",
        "qas": [
            {"query_text": "问?", "query_id": "DEV_0_QUERY_0", "answers": ["答", 39764.0, "答"]},
            {"query_text": "问二?", "query_id": "DEV_0_QUERY_1", "answers": [4.9]},
        ],
    }
]


def test_cmrc(write, tmp_path):
    path = write("cmrc2018_dev.json", json.dumps(CMRC))
    found = read("cmrc2018", path, langs=("zh",))
    assert found[0] == Question((str(path), 1), "zh", "问?", "正文。", ("答",))
    assert [each.reason for each in found[1:]] == ["an answer is not text", "no answer", "an answer is not text"]
    run("cmrc2018", "--input", path, "--lang", "zh", "--output", tmp_path / "t")
    assert (lines(tmp_path / "t.source"), lines(tmp_path / "t.target")) == (["问? 正文。"], ["答"])


def test_tibetan_qa(write, tmp_path):
    book = openpyxl.Workbook()
    rows = [["问题", "答案", "文本", None, "标题"], ["ཅི?", "ལན།", "ས་གནས།", 4105, "ཡིག"], ["ཅི?", None, "ས་གནས།", 1, "x"]]
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "TibetanQA.xlsx")
    first, second = read("tibetanqa", tmp_path / "TibetanQA.xlsx")
    assert (first.question, first.passage, first.answers) == ("ཅི?", "ས་གནས།", ("ལན།",))
    assert second.reason == "no answer"
    path = write("2000_TibetanQA(v2).csv", '\ufeffID,标题,段落,问题,答案\n1,ཡིག,"ས་\nགནས།",ཅི?,ལན།\n')
    assert read("tibetanqa", path)[0].passage == "ས་\nགནས།"
    with pytest.raises(InputError, match="not a readable Excel file"):
        read("tibetanqa", write("broken.xlsx", b"PK\x03\x04xx"))


def test_kazqad(write):
    record = {
        "id": "1",
        "title": "т",
        "context": "мәтін",
        "question": "сұрақ?",
        "answers": {"text": ["а", "б"], "answer_start": [0, 1]},
    }
    path = write("kazqad.jsonl", json.dumps(record) + "\n" + json.dumps({**record, "answers": {"text": []}}))
    first, second = read("kazqad", path, langs=("kk",))
    assert (first.answers, second.reason) == (("а", "б"), "no answer")


def test_cmrc_of_the_data_pack(datapack):
    folder = datapack / "qa/cmrc2018"
    for name, questions, numbers in (("dev", 3219, 29), ("trial", 1002, 0)):
        plain = read("cmrc2018", folder / f"data/cmrc2018_{name}.json", langs=("zh",))
        squad = read("cmrc2018", folder / f"squad-style-data/cmrc2018_{name}.json", langs=("zh",))
        assert sum(isinstance(each, Question) for each in plain) == questions
        assert sum(isinstance(each, Reject) for each in plain) == numbers
        assert len(squad) == questions
        asked = [{each.question for each in found if isinstance(each, Question)} for found in (plain, squad)]
        assert len(asked[0] ^ asked[1]) < 10  # the two layouts were typed separately


def test_kazqad_of_the_data_pack(datapack):
    found = read("kazqad", datapack / "qa/kazqad/kazqad-reading-comprehension-v1.0-kk-validation.jsonl", langs=("kk",))
    assert len(found) == 764
    assert sum(len(each.answers) for each in found) <= 910
    assert all(answer in each.passage for each in found for answer in each.answers)


# --- JSON lists of pairs, FLORES+, CMHG ---


def test_pairs_of_milic_eval(write):
    records = [{"id": "1", "zh": "一", "en": "one", "bo": "གཅིག"}, {"id": "2", "zh": "二"}, {"zh": "三", "bo": 3}, []]
    path = write("test.json", json.dumps(records))
    first, *others = read("json-pairs", path, langs=("zh", "bo"))
    assert first == Pair((str(path), 1), "zh", "bo", "一", "གཅིག")
    assert [each.reason for each in others] == ["no field 'bo'", "'bo' is not text", "not a JSON object"]
    assert read("json-pairs", path, langs=("bo", "en"))[0].target == "one"


def flores_lines(*rows):
    return "".join(json.dumps({"id": number, "text": text, "iso_639_3": "x"}) + "\n" for number, text in rows)


def test_flores_plus(write, tmp_path):
    zh = write("dev/cmn_Hans.jsonl", flores_lines((1, "一"), (2, "二"), (4, "四"), (4, "又")) + "x\n")
    bo = write("dev/bod_Tibt.jsonl", flores_lines((2, "གཉིས"), (1, "གཅིག"), (3, "གསུམ"), (2, "ཡང")))
    for paths in ([tmp_path / "dev"], [zh, bo]):
        found = read("flores", *paths, langs=("zh", "bo"))
        pairs = [each for each in found if isinstance(each, Pair)]
        assert [(each.source, each.target) for each in pairs] == [("一", "གཅིག"), ("二", "གཉིས")]
        assert sorted((each.path, each.line, each.reason) for each in found if isinstance(each, Reject)) == [
            (str(bo), 3, "no translation in zh"),
            (str(bo), 4, "repeated id"),
            (str(zh), 3, "no translation in bo"),
            (str(zh), 4, "no translation in bo"),
            (str(zh), 5, "not JSON"),
        ]
    with pytest.raises(InputError, match=r"dev/uig_Arab.jsonl: no such file; give the folder dev or devtest"):
        read("flores", tmp_path / "dev", langs=("zh", "ug"))
    with pytest.raises(InputError, match=r"unknown FLORES\+ code for language xx"):
        read("flores", tmp_path / "dev", langs=("zh", "xx"))
    with pytest.raises(InputError, match="or two files: source, target"):
        read("flores", zh, langs=("zh", "bo"))


def test_flores_without_ids_goes_by_line(write):
    zh, kk = (write(name, f'{{"text": "{text}"}}\n') for name, text in (("zh.jsonl", "一"), ("kk.jsonl", "бір")))
    assert read("flores", zh, kk, langs=("zh", "kk")) == [Pair((str(zh), 1), "zh", "kk", "一", "бір")]


CMHG = (
    "id,title,content,title_match_1,title_match_2,tendency,average_score,score_difference\n"
    '1,ماۋزۇ,"مەزمۇن.\nئىككى.",4,5,0,4.5,1\n2,ماۋزۇ,مەزمۇن,,,,,\n3,ماۋزۇ,مەزمۇن,1,2,0,1.5,1\n'
)


@pytest.mark.parametrize(("lang", "name"), [("bo", "bo-all.csv"), ("mn", "mn-all.csv"), ("ug", "ug-3.csv")])
def test_cmhg(write, tmp_path, lang, name):
    path = write(f"CMHG/{lang}/{name}", CMHG)
    for place in (path, tmp_path / "CMHG", tmp_path / "CMHG" / lang):
        first, second, third = read("cmhg", place, langs=(lang,))
        assert first == Document((str(path), 2), lang, "مەزمۇن.\nئىككى.", "ماۋزۇ")
        assert isinstance(second, Document) and isinstance(third, Document)
    found = read("cmhg", path, langs=(lang,), min_label=4)
    assert [each.reason for each in found[1:]] == ["average_score below 4 or missing"] * 2
    with pytest.raises(InputError, match="CMHG has no kk; give --lang bo or mn or ug"):
        read("cmhg", tmp_path / "CMHG", langs=("kk",))


# --- Parquet and Arrow ---


def write_table(path, columns, kind="parquet"):
    """Write a file like `datasets`: Parquet with two row groups, an Arrow file, or an Arrow stream with two batches."""
    table = pyarrow.table(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=2, compression="zstd")
    else:
        make = pyarrow.ipc.new_file if kind == "file" else pyarrow.ipc.new_stream
        with make(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    return path


DOCUMENTS = {"text": ["ཀ།\nཁ།", None, "ག།"], "title": ["མིང་", "x", None], "url": ["u", "v", "w"]}


@pytest.mark.parametrize(("kind", "name"), [("parquet", "parquet"), ("file", "arrow"), ("stream", "arrow")])
def test_tables(tmp_path, kind, name):
    path = write_table(tmp_path / "part", DOCUMENTS, kind)  # recognized by its content
    for reader in (name, "parquet", "mc2", "jsonl"):
        first, second, third = read(reader, path)
        assert first == Document((str(path), 1), "bo", "ཀ།\nཁ།", "མིང་")
        assert second == Reject(str(path), 2, "'text' is not text")
        assert third == Document((str(path), 3), "bo", "ག།")
    run(name, "--input", path, "--lang", "bo", "--output", tmp_path / "t", "--rejects", tmp_path / "rejects")
    assert lines(tmp_path / "t.bo") == ["ཀ། ཁ།", "ག།"]
    assert lines(tmp_path / "rejects") == [f"{path}:2:'text' is not text"]


def test_tables_of_pairs_and_questions(tmp_path):
    plain = {"zh": ["一", "二"], "bo": ["གཅིག", None]}
    nested = {
        "id": ["0", "1"],
        "translation": [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)],
    }
    for columns in (plain, nested):
        path = write_table(tmp_path / "p.parquet", columns)
        for reader in ("parquet-pairs", "arrow-pairs", "jsonl-pairs"):
            first, second = read(reader, path, langs=("zh", "bo"))
            assert first == Pair((str(path), 1), "zh", "bo", "一", "གཅིག")
            assert second.reason == "'bo' is not text"
    answers = [{"text": ["а", "б"], "answer_start": [0, 1]}, {"text": [], "answer_start": []}]
    path = write_table(tmp_path / "q.parquet", {"question": ["с?"] * 2, "context": ["м"] * 2, "answers": answers})
    first, second = read("kazqad", path, langs=("kk",))
    assert (first.answers, second.reason) == (("а", "б"), "no answer")


def test_a_folder_of_tables_is_one_split(tmp_path):
    for part in (1, 0):
        write_table(tmp_path / f"data/train-0000{part}-of-00002.parquet", {"text": [f"{part}a", f"{part}b"]})
    assert [each.text for each in read("parquet", tmp_path / "data")] == ["0a", "0b", "1a", "1b"]
    write_table(tmp_path / "data/test-00000-of-00001.parquet", {"text": ["t"]})
    with pytest.raises(InputError, match=r"data: has more than one split \(test, train\); give the files of one"):
        read("parquet", tmp_path / "data")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: contains no .parquet or .arrow files"):
        read("arrow", tmp_path / "empty")


def test_damaged_tables_and_a_missing_library_are_one_line(tmp_path, monkeypatch):
    for kind in ("parquet", "file", "stream"):
        content = write_table(tmp_path / "whole", {"text": ["ཀ" * 1000] * 50}, kind).read_bytes()
        random.seed(kind)
        for _ in range(30):  # pyarrow crashes on wrong offsets unless they are checked
            wrong = bytearray(content)
            wrong[random.randrange(8, len(content))] ^= 1 << random.randrange(8)
            (tmp_path / "wrong").write_bytes(wrong)
            with suppress(InputError):
                read("parquet", tmp_path / "wrong")
        for length in (12, len(content) // 2):
            (tmp_path / "cut").write_bytes(content[:length])
            with pytest.raises(InputError, match=r"cut: damaged (Parquet|Arrow) file: .*; download it again"):
                read("parquet", tmp_path / "cut")
    (tmp_path / "text").write_text("ཀ\n")
    with pytest.raises(InputError, match="text: neither Parquet nor Arrow"):
        read("parquet", tmp_path / "text")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"whole: reading Parquet and Arrow needs pyarrow: pip install pyarrow"):
        read("parquet", tmp_path / "whole")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("mc2 --input {file} --lang bo-zh", "this format has one language"),
        ("sft-pairs --input {file} --lang bo", "this format has two languages"),
        ("mc2 --input {file} --lang bo --use answer", "not supported by mc2; give text or summary"),
        ("mc2 --input /no/such --lang bo", "/no/such: no such file"),
        ("mc2 --input {file} --lang bo --fields body=x", "names of the fields for text, title"),
        ("mc2 --input {file} --lang bo", r"no records are left \(not JSON 1\)"),
        ("cmrc2018 --input {file} --lang zh", "not JSON"),
        ("thucnews --input {folder} --lang zh", "contains no .txt files"),
        ("thucnews --input {file} --lang zh", "neither a folder nor a readable zip file"),
        ("plain-pairs --input {file} --lang zh-bo", r"--input has 1 file\(s\); give two: source, then target"),
    ],
)
def test_bad_command_lines(write, tmp_path, args, message):
    file = write("file", "x\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=message):
        run(*args.format(file=file, folder=tmp_path / "folder").split(), "--output", tmp_path / "out/t")
    assert not list((tmp_path / "out").rglob("*")) if (tmp_path / "out").exists() else True


CONTENT = st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))


def test_zip_of_one_file_is_read_and_others_are_refused(tmp_path):
    for name, members in (("one", ["d/a.txt"]), ("two", ["a.txt", "b.txt"])):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for member in members:
                archive.writestr(member, "ཀ\nཁ\n")
    assert [each.text for each in read("plain", tmp_path / "one.zip")] == ["ཀ", "ཁ"]
    with pytest.raises(InputError, match=r"two.zip: cannot be unpacked: the archive contains 2 files"):
        read("plain", tmp_path / "two.zip")
    locked = bytearray((tmp_path / "one.zip").read_bytes())
    locked[6] |= 1  # the encryption flag, in the file's header and in the directory
    locked[locked.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    for name in ("plain", "thucnews"):
        with pytest.raises(InputError, match=r"locked.zip: .*password"):
            read(name, tmp_path / "locked.zip")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(FORMATS)), content=CONTENT)
def test_any_bytes_are_counted_or_refused_in_one_line(tmp_path, name, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    two = any(use == "pair" for use in FORMATS[name].uses)
    paths = [path, path] if name in ("plain-pairs", "plain-summaries") else [path]
    try:
        run(name, "--input", *paths, "--lang", "bo-zh" if two else "bo", "--output", tmp_path / "out")
    except InputError as error:
        assert "\n" not in str(error)
