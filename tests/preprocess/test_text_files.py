"""Lines of files: ends, marks, limits, blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.text import text_files
from preprocess.text.text_files import TextFile, contains_ascii, open_lines, read_blocks
from swcm_fairseq.errors import InputError


def lines(path, max_bytes=1000):
    file = TextFile(path, max_bytes)
    try:
        return list(file.lines())
    finally:
        file.close()


@pytest.fixture(params=[1, 3, 1 << 20], ids="chunk{}".format)
def chunk_bytes(request, monkeypatch):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", request.param)


@pytest.mark.usefixtures("chunk_bytes")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\nb", [b"a", b"b"]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"\n\n", [b"", b""]),
        (b"\xef\xbb\xbfa\r\n\r\nb\r", [b"a", b"", b"b"]),
        (b"a\x0b\xe2\x80\xa8b\rc\nd\n", [b"a\x0b\xe2\x80\xa8b\rc", b"d"]),
        (b"\xef\xbb\xbf" + b"x" * 10 + b"\r\n", [b"x" * 10]),
        (b"\xef\xbb\xbf" + b"x" * 11 + b"\ny", [b"x" * 11, b"y"]),
        (b"x" * 10 + b"\rz" * 9 + b"\nb", [b"x" * 10 + b"\r", b"b"]),  # cut, but still recognizable as too long
        (b"x" * 99, [b"x" * 11]),
    ],
)
def test_lines(tmp_path, content, expected):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert lines(path, max_bytes=10) == expected


@given(content=st.binary(min_size=1, max_size=60))
def test_blocks_hold_every_line_in_order(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    try:
        expected = lines(path)
    except InputError:
        return
    found = []
    for block in read_blocks((path, path), 1000):
        assert block.first_line == len(found) + 1
        assert block.sides[0] == block.sides[1]
        found += block.sides[0]
    assert found == expected


def test_blocks_are_small(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "BLOCK_LINES", 4)
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 20)
    path = tmp_path / "file"
    path.write_bytes(b"x\n" * 9 + b"y" * 30 + b"\nz\n")
    assert [(block.first_line, len(block.sides[0])) for block in read_blocks((path,), 1000)] == [
        (1, 4),
        (5, 4),
        (9, 2),
        (11, 1),
    ]


def test_bad_input_is_refused(tmp_path):
    path = tmp_path / "file"
    for content, message in (
        (b"a\rb\rc", "lines end in CR instead of LF"),
        (b"", "the file is empty"),
        ("text".encode("utf-16"), "not text but UTF-16"),
        (b"ok\n\xff\n", r"file:2: invalid UTF-8; swcm clean converts it \(--encoding\) or leaves the line out"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            list(open_lines(path))
    path.write_bytes("ok\nབཀྲ\nཤིས".encode())
    assert list(open_lines(path, 9)) == ["ok", "བཀྲ", "ཤིས"]
    with pytest.raises(InputError, match=r"file:2: longer than 8 bytes; swcm clean leaves such lines out"):
        list(open_lines(path, 8))
    for name in ("utf-16", "no-such", "rot13"):
        assert not contains_ascii(name)
    assert contains_ascii("big5")
