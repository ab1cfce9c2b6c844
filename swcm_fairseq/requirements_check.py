"""Report a missing or outdated fairseq or torch in one line, with the command that fixes it."""

import importlib.util
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

# The same choice as in pyproject.toml.
_WHEELS = sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 13)
FAIRSEQ = "ve-fairseq==0.12.3" if _WHEELS else "fairseq-fixed==0.12.3.1"

# (module, distributions that provide it, oldest supported version, fix)
REQUIREMENTS = (
    ("torch", ("torch",), (2, 8), "pip install torch==2.13.0"),
    ("fairseq", ("ve-fairseq", "fairseq", "fairseq-fixed"), (0, 12, 3), f"pip install {FAIRSEQ}"),
)


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: "2.13.0+cpu" -> (2, 13, 0)."""
    numbers = []
    for part in text.split("+")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _installed(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def problem() -> str | None:
    """A message about the first library that is missing or too old; None if there is none."""
    for module, distributions, oldest, fix in REQUIREMENTS:
        wanted = ".".join(map(str, oldest))
        if importlib.util.find_spec(module) is None:
            return f"swcm_fairseq needs {module} >= {wanted}, which is not installed: {fix}"
        found = _installed(distributions)
        # A source tree on PYTHONPATH has no version to check, so it is accepted.
        if found is not None and _numbers(found) < oldest:
            return f"swcm_fairseq needs {module} >= {wanted}, found {found}: {fix}"
    return None
