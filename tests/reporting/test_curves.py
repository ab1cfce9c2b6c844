"""Losses from fairseq's logs."""

import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.reporting.curves import draw_curves, parse_panels, training_curve


def line(tag: str, **numbers) -> str:
    texts = ", ".join(f'"{name}": "{number}"' for name, number in numbers.items())
    return f"2026-01-01 00:00:00 | INFO | {tag} | {{{texts}}}"


def test_the_later_line_counts_after_an_interruption(tmp_path):
    log = tmp_path / "train.log"
    lines = [
        "not json",
        line("train_inner", num_updates=10, loss=5.0),
        line("train_inner", num_updates=20, loss=4.0),
        line("train", train_num_updates=20, train_loss=9.0),
        line("train_inner", num_updates=20, loss=4.5),
        line("train_inner", num_updates=30, loss=3)[:-4],
    ]
    log.write_text("\n".join(lines), encoding="utf-8")
    assert training_curve(log) == ([10, 20], [5.0, 4.5])


def test_a_short_run_has_one_point_an_epoch(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("\n".join(line("train", train_num_updates=n, train_loss=n / 2) for n in (2, 4)), encoding="utf-8")
    assert training_curve(log) == ([2, 4], [1.0, 2.0])
    log.write_text("nothing\n")
    assert training_curve(log) == ([], [])


def test_panels_and_invalid_panels(tmp_path):
    log = tmp_path / "a=b.log"
    log.write_text(line("train_inner", num_updates=10, loss=5.0))
    panels = parse_panels([["encoder", f"one={log}"], ["two of them", f"x={log}", f"y={log}"]])
    assert panels == {"encoder": {"one": log}, "two of them": {"x": log, "y": log}}
    draw_curves(panels, tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    for wrong in (["title"], ["title", "log"], ["title", "=log"], ["title", "name="]):
        with pytest.raises(InputError, match="expected TITLE NAME=LOG"):
            parse_panels([wrong])
    with pytest.raises(InputError, match="No such file"):
        draw_curves({"title": {"name": tmp_path / "missing.log"}}, tmp_path / "loss.png")
    for output, message in (
        ("loss.png/loss.png", "Not a directory; make room or give another"),
        ("loss.odd", "a name that ends in"),
    ):
        with pytest.raises(InputError, match=f"{output}: .*{message}"):
            draw_curves(panels, tmp_path / output)
