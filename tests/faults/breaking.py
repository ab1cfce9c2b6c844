"""Ways to break a valid command line: damaged files, invalid values, output paths and options."""

import json
import random
from pathlib import Path
from typing import Any

import torch
import yaml

from tests.preprocess.conftest import write_lines

ODD_VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, 1.5, 10**13, "", "x", [], {}, [None], {"a": {"b": []}}, [[[]]], "\u2028", "1e999"),
)
ODD_NUMBERS = ("-1", "0", "1e9", "nan", "inf", "99999999999999999999", "x", "", "1.5", "٣")
ODD_TEXTS = ("", " ", "-", "--", "bo-", "xx", "../..", "\udcff", "x" * 300, "a\nb", "zh-bo-kk", "BO", "%s", "{}", "*")


def break_bytes(content: bytes, chance: random.Random) -> bytes:
    """Damage the content of a file."""
    place, length = chance.randrange(len(content) or 1), chance.randrange(1, 64)
    match chance.randrange(8):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + bytes(length) + content[place + length :]
        case 2:
            return content[:place] + chance.randbytes(length) + content[place:]
        case 3:
            return content[:place] + content[place + length :]
        case 4:
            return content + content[place:]
        case 5:
            return chance.randbytes(length) if chance.random() < 0.5 else b""
        case 6:
            return content.replace(
                chance.choice((b"\n", b" ", b"1", b'"')), chance.choice((b"\r", b"\0", b"\xff", b""))
            )
    damaged = bytearray(content)
    for _ in range(chance.randrange(1, 9)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def break_value(content: Any, chance: random.Random) -> Any:
    """Change the type of a part of a value at any depth, remove the part, or move it to another key."""
    if isinstance(content, (dict, list)) and content and chance.random() < 0.85:
        content = content.copy()
        key = chance.choice(list(content)) if isinstance(content, dict) else chance.randrange(len(content))
        if chance.random() < 0.1:
            moved = content.pop(key)
            if isinstance(content, dict) and chance.random() < 0.5:
                content["odd"] = moved
        else:
            content[key] = break_value(content[key], chance)
        return content
    return chance.choice(ODD_VALUES)


def break_file(path: Path, kind: str, chance: random.Random) -> None:
    """Break a file in place."""
    content = path.read_bytes()
    if kind == "values" and path.suffix in (".json", ".yaml", ".pt", ".jsonl"):
        if path.suffix == ".pt":
            torch.save(break_value(torch.load(path, weights_only=True), chance), path)
        elif path.suffix == ".jsonl":
            lines = content.decode().splitlines()
            number = chance.randrange(len(lines))
            lines[number] = json.dumps(break_value(json.loads(lines[number]), chance))
            write_lines(path, lines)
        elif path.suffix == ".yaml":
            path.write_text(yaml.safe_dump(break_value(yaml.safe_load(content), chance)))
        else:
            text = json.dumps(break_value(json.loads(content), chance))
            path.write_text(
                text.replace("1.5", chance.choice(("1.5", "NaN", "Infinity", "1e999", "9" * 5000, "[" * 9999)))
            )
        return
    path.write_bytes(break_bytes(content, chance))


def break_output(argv: list[str], folder: Path, chance: random.Random) -> list[str]:
    """Replace the output path by an invalid one."""
    places = [i + 1 for i, each in enumerate(argv) if each in ("--output", "--rejects", "--work", "--png")]
    if not places:
        return [*argv, "--png", str(folder / "out/bo")]
    read = str(folder / "in")
    inputs = [each[each.index(read) :].split(",")[0] for each in argv if read in each]
    os_places = ("/dev/null", "/dev/full", "/proc/self/x", "x" * 300, "", "/", ".")
    (folder / "out/loop").symlink_to("loop")
    (folder / "out/link").symlink_to(inputs[0])
    (folder / "out/file").write_text("there")
    (folder / "out/full").mkdir()
    (folder / "out/full/x").write_text("there")
    ours = (
        *(f"out/{name}" for name in ("loop", "link", "file", "full", "file/x", "deep/er/o")),
        "in",
        "in/new",
    )
    odd = [*inputs, *os_places, *(str(folder / place) for place in ours)]
    argv = list(argv)
    argv[chance.choice(places)] = chance.choice(odd)
    return argv


def break_option(argv: list[str], chance: random.Random) -> list[str]:
    """Change one argument to an invalid value, remove it, or add one."""
    argv = list(argv)
    place = chance.randrange(len(argv))
    match chance.randrange(4):
        case 0:
            del argv[place]
        case 1:
            argv.insert(place, chance.choice((*ODD_TEXTS, *ODD_NUMBERS, "--help-me", "--workers")))
        case 2:
            flags = (
                "--workers",
                "--seed",
                "--min-chars",
                "--near",
                "--alpha",
                "--size",
                "--max-chars",
                "--limit",
                "--encoding",
            )
            argv += [chance.choice(flags), chance.choice((*ODD_NUMBERS, *ODD_TEXTS))]
        case _:
            if not argv[place].startswith("/"):
                argv[place] = chance.choice((*ODD_TEXTS, *ODD_NUMBERS))
    return [each.replace("\0", "") for each in argv]
