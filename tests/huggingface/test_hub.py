"""The Hugging Face hub through its library: uploads, reading from the cache, and no network."""

import base64
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import pytest

from swcm_fairseq import export
from swcm_fairseq.errors import InputError
from swcm_fairseq.export import export_huggingface
from swcm_fairseq.interop.hub import push
from swcm_fairseq.models import XLMSWCMModel
from tests.huggingface.conftest import ROOT, VERSIONS

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(params=VERSIONS)
def hub_library(request, tmp_path, monkeypatch) -> Iterator[pytest.MonkeyPatch]:
    """huggingface_hub of a tested environment, with a separate cache and without network."""
    packages = list((ROOT / ".venv-transformers" / request.param).glob("lib/python3*/site-packages"))
    if not packages:
        pytest.skip(f"huggingface_hub ({request.param}) is not installed: make .venv-transformers")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(packages[0]))
    for name, value in (("HF_HOME", tmp_path / "home"), ("HF_ENDPOINT", NOWHERE), ("HF_HUB_DISABLE_TELEMETRY", 1)):
        monkeypatch.setenv(name, str(value))
    yield monkeypatch
    for name in set(sys.modules) - before:  # it reads its settings when it is imported
        if any(str(getattr(sys.modules[name], "__file__", "")).startswith(str(path)) for path in packages):
            del sys.modules[name]


class Hub(ThreadingHTTPServer):
    """A local server that stores uploads."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Endpoint)
        self.created: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}


class Endpoint(BaseHTTPRequestHandler):
    """The part of the hub's API that uploads use."""

    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path.endswith("/repos/create"):
            self.server.created = json.loads(body)
            self._answer({"url": f"http://{self.headers['Host']}/org/name"})
        elif "/preupload/" in self.path:
            names = [each["path"] for each in json.loads(body)["files"]]
            self._answer({"files": [{"path": each, "uploadMode": "regular", "shouldIgnore": False} for each in names]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            address = f"http://{self.headers['Host']}/org/name/commit/{COMMIT}"
            self._answer({"commitUrl": address, "commitOid": COMMIT, "success": True})
        else:  # the model card is checked
            self._answer({"errors": [], "warnings": []})

    def do_GET(self) -> None:
        self._answer({"id": "org/name", "sha": COMMIT, "siblings": []})

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def endpoint() -> Iterator[Hub]:
    server = Hub()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_push_uploads_the_directory(hub_library, endpoint, checkpoint, tmp_path, capsys):
    hub_library.setenv("HF_ENDPOINT", f"http://127.0.0.1:{endpoint.server_port}")
    hub_library.setenv("HF_TOKEN", "hf_of_a_test")
    command = ["export", checkpoint, "--format", "huggingface", "--output", tmp_path / "out", "--push", "org/name"]
    with patch.object(sys, "argv", [*map(str, command), "--private"]):
        export.main()
    assert f"pushed to http://127.0.0.1:{endpoint.server_port}/org/name" in capsys.readouterr().out
    assert endpoint.created["name"] == "name" and endpoint.created["organization"] == "org"
    assert endpoint.created.get("private", endpoint.created.get("visibility")) in (True, "private")
    assert endpoint.files == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_without_a_network_the_directory_stays_and_one_line_says_so(hub_library, tmp_path):
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(
        InputError,
        match=rf"^--push org/name: .*; {tmp_path} is complete, so you can upload it later: hf upload org/name",
    ) as error:
        push(tmp_path, "org/name", private=False)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"^--push no name at all: ") as error:
        push(tmp_path, "no name at all", private=False)
    with pytest.raises(InputError, match=r"^XLMSWCMModel.from_pretrained org/name: ") as error:
        XLMSWCMModel.from_pretrained("org/name")
    assert "\n" not in str(error.value)


def cache_of(home: Path, directory: Path) -> None:
    """``directory`` as org/name in the hub's cache: blobs, and a snapshot of links to them."""
    repository = home / "hub/models--org--name"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs/main").write_text(COMMIT)
    for number, path in enumerate(sorted(directory.iterdir())):
        (repository / "blobs" / f"{number:040x}").write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(f"../../blobs/{number:040x}")


@pytest.mark.parametrize("kind", [export.export, export_huggingface])
def test_both_kinds_of_directories_are_read_from_the_hub(hub_library, checkpoint, tmp_path, kind):
    kind(checkpoint, tmp_path / "out")
    cache_of(tmp_path / "home", tmp_path / "out")
    hub_library.setenv("HF_HUB_OFFLINE", "1")
    model = XLMSWCMModel.from_pretrained("org/name")
    there = XLMSWCMModel.from_pretrained(str(tmp_path / "out"))
    texts, options = ["保存文件。", "请选择图像"], {"source_lang": "zh", "target_lang": "bo", "max_len_b": 8}
    assert model.generate(texts, **options) == there.generate(texts, **options)


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"^--push needs huggingface_hub: pip install huggingface_hub"):
        push(tmp_path, "org/name", private=False)
