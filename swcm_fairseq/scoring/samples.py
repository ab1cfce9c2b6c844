"""``swcm samples``: write outputs in readable form, as text, JSONL or a web page."""

import json
import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.inputs import Inputs, add_input_options, check_output, read_inputs
from swcm_fairseq.scoring.metric_statistics import segment_statistics
from swcm_fairseq.scoring.page import Output, Sample, html_page
from swcm_fairseq.scoring.rouge import Rouge, RougeType
from swcm_fairseq.scoring.segment_files import write_output
from swcm_fairseq.scoring.tokenizers import TOKENIZER_NAMES, build_tokenizer, known_languages

_EXAMPLES = """examples:
  swcm samples --generated results/generate-test.txt --lang ug --format html --output ug.html
  swcm samples --generated results/generate-test.txt --lang ug --output hypotheses.ug
  swcm samples --src test.zh --ref test.bo --hyp ours.bo llm.bo --lang bo --format jsonl
"""


def build_parser() -> ArgumentParser:
    """The command line of ``swcm samples``."""
    parser = command_parser(
        "samples",
        "Write outputs in the order of the input: only the hypotheses (text, one per line), one JSON\n"
        "object per line (jsonl: id, source, reference, system, hypothesis, score of the model, rougeL in\n"
        "percent), or a page that shows systems side by side (html), with each text in the direction of its\n"
        "script.",
        epilog=_EXAMPLES,
    )
    add_input_options(parser)
    add = parser.add_argument
    add("--src", type=Path, metavar="FILE", help="sources, one per line (default with --generated: in these files)")
    languages = ", ".join(known_languages())
    add("--lang", required=True, metavar="CODE", help=f"language of the outputs ({languages}; also kk_arab)")
    add("--tokenizer", choices=TOKENIZER_NAMES, help="tokenizer for ROUGE-L (default: the language's own)")
    add("--sentencepiece-model", type=Path, metavar="FILE", help="the .model file for --tokenizer sentencepiece")
    add("--format", choices=_FORMATS, default="text", help="format of the output (default: %(default)s)")
    add("--limit", type=int, metavar="N", help="write only N segments, spread evenly over the input (default: all)")
    add("--output", type=Path, metavar="FILE", help="write to FILE (default: to the terminal)")
    return parser


def collect(inputs: Inputs, metric: Rouge) -> list[Sample]:
    """Collect source, references and outputs of each segment, with ROUGE-L in percent if there are references."""
    rouges = [
        [100 * row[1] for row in segment_statistics(metric, system.hypotheses, inputs.references)]
        if inputs.references
        else [None] * len(inputs.ids)
        for system in inputs.systems
    ]
    samples = []
    for position, number in enumerate(inputs.ids):
        outputs = [
            Output(system.name, system.hypotheses[position], scores[position] if scores else None, rouge[position])
            for system, scores, rouge in zip(inputs.systems, inputs.model_scores, rouges, strict=True)
        ]
        source = inputs.sources[position] if inputs.sources else None
        samples.append(Sample(number, source, [texts[position] for texts in inputs.references], outputs))
    return samples


def as_text(samples: Sequence[Sample], title: str) -> str:
    """The hypotheses of one system; segments that fairseq-generate left out become empty lines."""
    if len(samples[0].outputs) > 1:
        raise InputError("plain text can contain only one system; give one file, or choose --format jsonl or html")
    lines = {sample.id: sample.outputs[0].hypothesis for sample in samples}
    return "".join(f"{lines.get(number, '')}\n" for number in range(max(lines) + 1))


def as_jsonl(samples: Sequence[Sample], title: str) -> str:
    """One object per segment and system; several references become a list."""
    rows = []
    for sample in samples:
        reference = sample.references if len(sample.references) > 1 else next(iter(sample.references), None)
        shared = {"id": sample.id, "source": sample.source, "reference": reference}
        for output in sample.outputs:
            own = {"system": output.system, "hypothesis": output.hypothesis}
            rows.append(shared | own | {"score": _number(output.score), "rougeL": _number(output.rouge)})
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _number(value: float | None) -> float | None:
    """``value``, or None (null) if JSON cannot represent it, such as the score of a model that diverged."""
    return value if value is not None and math.isfinite(value) else None


_FORMATS = {"text": as_text, "jsonl": as_jsonl, "html": html_page}


def spread(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """At most ``limit`` of ``samples``, evenly spaced."""
    if limit is None or limit >= len(samples):
        return list(samples)
    if limit < 1:
        raise InputError(f"--limit {limit}: must be at least 1")
    return [samples[position * len(samples) // limit] for position in range(limit)]


def run(args: Namespace) -> str:
    """The output that ``args`` requests."""
    if args.format == "text" and args.limit is not None:
        raise InputError("--limit would break the alignment of lines in plain text; omit it or choose another --format")
    tokenizer = build_tokenizer(args.lang, args.tokenizer, args.sentencepiece_model)
    inputs = read_inputs(args, args.src)
    samples = collect(inputs, Rouge(RougeType.ROUGE_L, args.lang, tokenizer))
    return _FORMATS[args.format](spread(samples, args.limit), f"Samples, {args.lang}")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse ``argv`` and write the outputs."""
    args = build_parser().parse_args(argv)
    check_output(args, args.src)
    write_output(lambda: run(args), args.output)
    if args.output is not None:
        print(f"wrote {args.output}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
