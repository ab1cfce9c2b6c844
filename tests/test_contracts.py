"""The import rules of CONTRIBUTING.md, checked on the source."""

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("swcm_fairseq", "preprocess")
    for path in sorted((ROOT / package).rglob("*.py"))
}
CORPORA = tuple(
    f"swcm_fairseq.data.{name}" for name in ("corpora", "directory", "labelled_directory", "loading", "mixed_dataset")
)
# These modules change embedding rows, too; preprocess/ changes them only through interop.rows and interop.encoder_rows.
OTHER_ROWS = tuple(f"swcm_fairseq.interop.{name}" for name in ("embedding_rows", "new_rows", "write"))
# Package -> modules that it must not import, so that dependencies have one direction.
FORBIDDEN = {
    "preprocess": (
        *("swcm_fairseq.models", "swcm_fairseq.tasks", "swcm_fairseq.criterions", "swcm_fairseq.optim"),
        *OTHER_ROWS,
    ),
    "swcm_fairseq.data": ("swcm_fairseq.models", "swcm_fairseq.tasks", "swcm_fairseq.criterions", "preprocess"),
    "swcm_fairseq.models": ("swcm_fairseq.tasks", "swcm_fairseq.criterions", *CORPORA, "preprocess"),
    "swcm_fairseq.criterions": ("swcm_fairseq.models", "swcm_fairseq.tasks", *CORPORA, "preprocess"),
    "swcm_fairseq.scoring": ("swcm_fairseq.models", "swcm_fairseq.tasks", "swcm_fairseq.criterions", "preprocess"),
}
# (module, what it imports in a function) -> why this may close a circle.
CIRCLES = {
    ("swcm_fairseq.models.model", "swcm_fairseq.hub_interface"): "from_pretrained, where fairseq's users expect it",
}


def imports(module: str) -> set[str]:
    """The modules of this project that a module imports, also in functions and for type checkers."""
    path, found = FILES[module], set()
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found |= {name if (name := f"{base}.{alias.name}") in FILES else base for alias in node.names}
    return found & FILES.keys()


@pytest.mark.parametrize("package", FORBIDDEN)
def test_dependencies_have_one_direction(package):
    found = [
        f"{module} imports {other}"
        for module in FILES
        if f"{module}.".startswith(f"{package}.")
        for other in imports(module)
        if other.startswith(FORBIDDEN[package])
    ]
    assert found == []


def test_imports_have_no_cycles():
    graph = {module: imports(module) for module in FILES}
    for module, other in CIRCLES:
        graph[module].remove(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", ["tasks", "criterions", "optim"])
def test_importing_a_package_registers_all_that_it_has(package):
    """fairseq imports the files of a --user-dir only if the package has not been imported before."""
    first = ast.parse(FILES[f"swcm_fairseq.{package}"].read_text(encoding="utf-8"))
    imported = {alias.name for node in first.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    registering = {
        path.stem
        for name, path in FILES.items()
        if name.startswith(f"swcm_fairseq.{package}.") and "\n@register_" in path.read_text(encoding="utf-8")
    }
    assert registering and registering <= imported


def test_names_of_modules_are_unique():
    others = [path for folder in ("benchmarks", "examples", "tests") for path in (ROOT / folder).rglob("*.py")]
    names = Counter(path.stem for path in [*FILES.values(), *others])
    assert [
        name for name, count in names.items() if count > 1 and not name.startswith("__") and name != "conftest"
    ] == []


def test_preprocess_works_under_any_name():
    """Installed, it is called swcm_preprocess."""
    source = {module: path.read_text("utf-8") for module, path in FILES.items() if module.startswith("preprocess")}
    assert [module for module, text in source.items() if "from preprocess" in text or "import preprocess" in text] == []
