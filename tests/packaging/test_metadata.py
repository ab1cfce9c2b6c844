"""The contents of the wheel and of an editable install."""

import re
import zipfile
from email.parser import Parser

import pytest
import yaml


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(path).decode("utf-8"))


def test_every_module_is_there_and_nothing_is_called_preprocess(names, repository):
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"swcm_fairseq", "swcm_preprocess"}
    for folder, package in (("swcm_fairseq", "swcm_fairseq"), ("preprocess", "swcm_preprocess")):
        modules = {path.relative_to(repository / folder).as_posix() for path in (repository / folder).rglob("*.py")}
        found = {name.removeprefix(f"{package}/") for name in names if name.startswith(f"{package}/")}
        assert modules <= found and "py.typed" in found


def test_recipes_and_manifests_are_there(names, repository):
    files = [path for pattern in ("*.sh", "*.sbatch", "*.yaml") for path in (repository / "examples").rglob(pattern)]
    wanted = {f"swcm_fairseq/recipes/{path.relative_to(repository / 'examples').as_posix()}" for path in files}
    assert len(wanted) > 30 and wanted <= names
    assert {"swcm_fairseq/reporting/paper_tables.yaml", "swcm_fairseq/reporting/cino_tables.yaml"} <= names


def test_dependencies_choose_a_fairseq_for_each_platform(metadata):
    requirements = {re.split(r"[ =<>;]", line)[0]: line for line in metadata.get_all("Requires-Dist")}
    wheels, source = (requirements[name].partition(";")[2] for name in ("ve-fairseq", "fairseq-fixed"))

    def chosen(marker: str, platform: str, machine: str, version: str) -> bool:
        for name, value in {"sys_platform": platform, "platform_machine": machine, "python_version": version}.items():
            marker = marker.replace(name, repr(value))
        return eval(marker)

    for place in [("linux", "x86_64", "3.11"), ("linux", "x86_64", "3.12")]:
        assert chosen(wheels, *place) and not chosen(source, *place)
    for place in [("linux", "x86_64", "3.13"), ("linux", "aarch64", "3.11"), ("darwin", "arm64", "3.12")]:
        assert chosen(source, *place) and not chosen(wheels, *place)
    assert {"hub", "huggingface", "plots", "scoring"} <= set(metadata.get_all("Provides-Extra"))


def test_an_editable_install_has_the_same_names(build):
    with zipfile.ZipFile(build("build_editable")) as archive:
        [finder] = [name for name in archive.namelist() if name.endswith("finder.py")]
        [mapping] = re.findall(r"^MAPPING.* = (\{.*\})$", archive.read(finder).decode("utf-8"), re.MULTILINE)
    assert set(yaml.safe_load(mapping)) == {"swcm_fairseq", "swcm_fairseq.recipes", "swcm_preprocess"}


def test_the_citation_is_that_of_this_version(repository, metadata):
    citation = yaml.safe_load((repository / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["version"] == metadata["Version"]
    assert citation["message"] and citation["title"] and citation["authors"]
    [paper] = citation["references"]
    assert paper["url"] == "https://arxiv.org/abs/2502.10852"
