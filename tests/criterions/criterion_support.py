"""A small model with the ``forward`` that the criterion needs, and batches for it."""

import torch
from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerConfig, TransformerModelBase

from swcm_fairseq.criterions.swcm_cross_entropy import SWCMCrossEntropyConfig, SWCMCrossEntropyCriterion

LANGS = ("<bo>", "<ug>", "<zh>")


class Task:
    """The attributes of a task that models and criterions use."""

    def __init__(self, words=20, group_names=None):
        self.target_dictionary = Dictionary()
        for i in range(words):
            self.target_dictionary.add_symbol(f"w{i}")
        for token in LANGS:
            self.target_dictionary.add_symbol(token)
        self.source_dictionary = self.target_dictionary
        if group_names is not None:
            self.group_names = group_names


class TwoPassTransformer(TransformerModelBase):
    """A stock transformer whose forward takes ``sample_inputs`` and ``output_head``."""

    num_updates = 0

    def set_num_updates(self, num_updates):
        super().set_num_updates(num_updates)
        self.num_updates = num_updates

    def forward(
        self,
        src_tokens,
        src_lengths,
        prev_output_tokens,
        features_only=False,
        sample_inputs=None,
        output_head=None,
        share_dropout=False,
    ):
        encoder_out = self.encoder(src_tokens, src_lengths=src_lengths)
        weight = self.decoder.output_projection.weight
        if sample_inputs is not None:
            with torch.no_grad():
                features, _ = self.decoder(prev_output_tokens, encoder_out=encoder_out, features_only=True)
            prev_output_tokens = sample_inputs(features, weight, prev_output_tokens)
        self.read = prev_output_tokens
        features_only = features_only or output_head is not None
        x, extra = self.decoder(prev_output_tokens, encoder_out=encoder_out, features_only=features_only)
        return (x if output_head is None else output_head(x, weight)), extra


def build_model(task, tied=True, seed=0, **options):
    torch.manual_seed(seed)
    cfg = TransformerConfig()
    for side in (cfg.encoder, cfg.decoder):
        side.embed_dim, side.ffn_embed_dim, side.layers, side.attention_heads = 16, 32, 1, 2
    cfg.decoder.input_dim = cfg.decoder.output_dim = 16
    cfg.share_decoder_input_output_embed = cfg.share_all_embeddings = tied
    cfg.max_source_positions = cfg.max_target_positions = 64
    cfg.dropout = 0.0
    for name, value in options.items():
        setattr(cfg, name, value)
    return TwoPassTransformer.build_model(cfg, task)


def make_batch(task, lengths, groups=None, seed=0, first_id=0):
    """A batch like the task's: ``<s> <xx> words </s>``, mixed languages, padding on the right."""
    random = torch.Generator().manual_seed(seed)
    d = task.target_dictionary
    size, width = len(lengths), max(lengths) + 3
    source = torch.full((size, width), d.pad())
    previous = torch.full((size, width - 1), d.pad())
    target = torch.full((size, width - 1), d.pad())
    langs = torch.tensor([d.index(LANGS[i % len(LANGS)]) for i in range(size)])
    for i, n in enumerate(lengths):
        words = torch.randint(d.nspecial, d.index(LANGS[0]), (2, n), generator=random)
        source[i, : n + 3] = torch.tensor([d.bos(), langs[i - 1], *words[0], d.eos()])
        previous[i, : n + 2] = torch.tensor([d.bos(), langs[i], *words[1]])
        target[i, 1 : n + 2] = torch.tensor([*words[1], d.eos()])
    sample = {
        "id": torch.arange(first_id, first_id + size),
        "nsentences": size,
        "ntokens": int(target.ne(d.pad()).sum()),
        "net_input": {
            "src_tokens": source,
            "src_lengths": torch.tensor(lengths) + 3,
            "prev_output_tokens": previous,
        },
        "target": target,
        "tgt_lang_id": langs,
    }
    if groups is not None:
        sample["group"] = torch.tensor(groups)
    return sample


def build_criterion(task, **options):
    """The criterion with its defaults; a decay ends at update 100."""
    defaults = {"sentence_avg": False, "seed": 1, "teacher_forcing_decay_end": 100}
    return SWCMCrossEntropyCriterion(SWCMCrossEntropyConfig(**{**defaults, **options}), task)


def gradients(model, criterion, *samples):
    """Loss, sample size and logging output of the last sample, and the summed gradients of all samples."""
    model.zero_grad()
    loss = torch.zeros(())
    for sample in samples:
        one, size, log = criterion(model, sample)
        one.backward()
        loss = loss + one.detach()
    return loss, size, log, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_close(ours, theirs):
    """Check that gradients agree to 1e-5; the gradient of the key bias is 0, so only rounding errors remain."""
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        assert (gradient - theirs[name]).norm() <= 1e-5 * theirs[name].norm() + 1e-6, name
