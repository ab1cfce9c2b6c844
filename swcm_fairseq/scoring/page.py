"""A web page that shows samples side by side, each in the direction of its script; a single, self-contained file."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from swcm_fairseq.data.identification import main_script
from swcm_fairseq.data.languages import RIGHT_TO_LEFT


@dataclass(frozen=True)
class Output:
    """The output of one system for a segment.

    Attributes:
        system: name of the system.
        hypothesis: the text.
        score: the model's own score, ``None`` if unknown.
        rouge: ROUGE-L F1 in percent, ``None`` without a reference.
    """

    system: str
    hypothesis: str
    score: float | None = None
    rouge: float | None = None


@dataclass(frozen=True)
class Sample:
    """One segment: source, references, and the output of each system.

    Attributes:
        id: position in the input, from 0.
        source: input text, ``None`` if unknown.
        references: references of the segment, if any.
        outputs: the outputs, one per system.
    """

    id: int
    source: str | None
    references: list[str]
    outputs: list[Output]


# Main script -> CSS class, which sets fonts and spacing, and the writing mode of Mongolian.
_SCRIPT_CLASSES = {"Arabic": "arabic", "Mongolian": "mongolian", "Tibetan": "tibetan", "Han": "han"}

_STYLE = """
body { font-family: "Noto Sans", system-ui, sans-serif; margin: 1.5rem; color: #1b1b1b; background: #fff; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid #ccc; padding: .5rem .7rem; vertical-align: top; text-align: start; }
th { background: #f2f2f2; position: sticky; top: 0; }
.text { min-width: 12rem; max-width: 34rem; overflow-wrap: anywhere; white-space: pre-wrap; unicode-bidi: isolate; }
.text + .text { border-top: 1px dashed #ccc; margin-top: .5rem; padding-top: .5rem; }
.score { color: #666; font-size: .8rem; margin-top: .4rem; }
.empty { color: #b00020; font-style: italic; }
.arabic { text-align: right; font-size: 1.15rem; line-height: 1.8;
  font-family: "UKIJ Tuz", "Noto Naskh Arabic", "Scheherazade New", "Microsoft Uighur", serif; }
.tibetan { font-size: 1.3rem; line-height: 1.9; word-break: normal; line-break: auto;
  font-family: "Noto Serif Tibetan", "Jomolhari", "Microsoft Himalaya", "Kailasa", serif; }
.han { line-height: 1.7;
  font-family: "Noto Sans CJK SC", "Noto Sans SC", "Microsoft YaHei", "PingFang SC", sans-serif; }
.mongolian { writing-mode: vertical-lr; height: fit-content; max-height: 18rem; min-width: 0; max-width: none;
  font-size: 1.25rem; line-height: 1.6;
  font-family: "Noto Sans Mongolian", "Mongolian Baiti", "Menk Qagan Tig", serif; }
""".strip()

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # not allowed in HTML


def escape(text: str) -> str:
    """``text`` escaped for HTML; control characters become U+FFFD."""
    return html.escape(_CONTROL.sub("\ufffd", text), quote=True)


def text_block(text: str) -> str:
    """HTML of one text, in the direction of its main script."""
    if not text.strip():
        return '<div class="text empty">(empty)</div>'
    script = main_script(text)
    name = _SCRIPT_CLASSES.get(script)
    classes = f"text {name}" if name else "text"
    direction = "rtl" if script in RIGHT_TO_LEFT else "ltr"
    return f'<div class="{classes}" dir="{direction}">{escape(text)}</div>'


def _output_cell(output: Output) -> str:
    scores = []
    if output.rouge is not None:
        scores.append(f"ROUGE-L {output.rouge:.1f}")
    if output.score is not None:
        scores.append(f"model {output.score:.3f}")
    line = f'<div class="score">{", ".join(scores)}</div>' if scores else ""
    return f"<td>{text_block(output.hypothesis)}{line}</td>"


def _row(sample: Sample, with_source: bool, with_references: bool) -> str:
    cells = [f"<th>{sample.id}</th>"]
    if with_source:
        cells.append(f"<td>{text_block(sample.source or '')}</td>")
    if with_references:
        cells.append(f"<td>{''.join(map(text_block, sample.references))}</td>")
    cells += map(_output_cell, sample.outputs)
    return f"<tr>{''.join(cells)}</tr>"


def html_page(samples: Sequence[Sample], title: str, introduction: str = "") -> str:
    """The page: one row per sample; columns for source, references and every system.

    ``introduction`` is HTML that precedes the samples.
    """
    with_source = any(sample.source is not None for sample in samples)
    with_references = any(sample.references for sample in samples)
    titles = ["id", *["source"] * with_source, *["reference"] * with_references]
    titles += [output.system for output in samples[0].outputs]
    heading = "".join(f"<th>{escape(name)}</th>" for name in titles)
    rows = "\n".join(_row(sample, with_source, with_references) for sample in samples)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{_STYLE}
</style>
</head>
<body>
<h1>{escape(title)}</h1>
{introduction}
<p>{len(samples)} segments; ROUGE-L: F1 in percent; model: mean log2 probability of a token.</p>
<div class="wide">
<table>
<thead><tr>{heading}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</body>
</html>
"""
