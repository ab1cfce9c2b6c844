import pytest
import torch

from swcm_fairseq.errors import InputError
from tests.criterions.criterion_support import Task, build_criterion, build_model, gradients, make_batch


class CountedTask(Task):
    """A task that has counted only the words of <bo>."""

    def __init__(self, words):
        super().__init__()
        self.words = torch.tensor(words)
        self.bo = self.target_dictionary.index("<bo>")

    def language_vocabulary(self, lang_token):
        return self.words if lang_token == self.bo else None


def batch_in(task, lengths, lang="<bo>"):
    sample = make_batch(task, lengths)
    token = task.target_dictionary.index(lang)
    sample["tgt_lang_id"].fill_(token)
    sample["net_input"]["prev_output_tokens"][:, 1] = token
    return sample


@pytest.mark.parametrize("final_ratio", [1.0, 0.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_whole_vocabulary_changes_nothing(final_ratio, smoothing):
    task = CountedTask(range(len(Task().target_dictionary)))
    model = build_model(task).train()
    model.set_num_updates(100)
    sample = batch_in(task, [5, 2, 7])
    options = {"label_smoothing": smoothing, "teacher_forcing_final_ratio": final_ratio}
    plain = gradients(model, build_criterion(task, **options), sample)
    restricted = gradients(model, build_criterion(task, restrict_vocabulary=True, **options), sample)
    assert torch.equal(plain[0], restricted[0])
    for name, gradient in plain[3].items():
        assert torch.equal(gradient, restricted[3][name]), name
    assert plain[2].keys() == restricted[2].keys()


def test_the_softmax_runs_over_the_language_and_specials():
    task = CountedTask(range(4, 14))
    model = build_model(task).train()
    sample = batch_in(task, [5, 2])
    target = sample["target"]
    target[target >= 14] = 5
    loss, *_ = build_criterion(task, restrict_vocabulary=True)(model, sample)
    logits, _ = model(**sample["net_input"])
    expected = torch.nn.functional.cross_entropy(
        logits[..., :14].flatten(0, 1), target.flatten(), ignore_index=1, reduction="sum"
    )
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)


def test_predictions_stay_in_the_language_and_are_logged():
    task = CountedTask(range(4, 14))
    sample = batch_in(task, [8, 8])
    sample["target"][sample["target"] >= 14] = 5
    model = build_model(task).train()
    model.set_num_updates(100)
    *_, free = build_criterion(task, teacher_forcing_final_ratio=0.0)(model, sample)
    *_, bound = build_criterion(task, teacher_forcing_final_ratio=0.0, restrict_vocabulary=True)(model, sample)
    assert free["first_pass_known"] == bound["first_pass_known"] == 16
    assert free["first_pass_inside"] < bound["first_pass_inside"] == 16
    assert model.read[:, 2:10].max() < 14


def test_unseen_target_words_are_added_and_counted():
    task = CountedTask(range(4, 8))
    model = build_model(task)
    sample = batch_in(task, [6])
    outside = int((sample["target"] >= 8).sum())
    loss, _, log = build_criterion(task, restrict_vocabulary=True)(model, sample)
    assert outside > 0
    assert log["outside_vocabulary"] == outside
    assert loss.isfinite()


def test_mixed_languages_are_refused():
    task = CountedTask(range(4, 8))
    with pytest.raises(InputError, match=r"target languages <bo> <ug>, .*--group-batches-by language"):
        build_criterion(task, restrict_vocabulary=True)(build_model(task), make_batch(task, [3, 3]))


@pytest.mark.parametrize("task", [Task(), CountedTask(range(4, 8))])
def test_missing_counts_are_refused(task):
    with pytest.raises(InputError, match="no counts for <ug>; write them with"):
        build_criterion(task, restrict_vocabulary=True)(build_model(task), batch_in(task, [3], "<ug>"))


def test_a_task_without_languages_is_refused():
    sample = make_batch(Task(), [3])
    del sample["tgt_lang_id"]
    with pytest.raises(InputError, match="does not name the target language"):
        build_criterion(Task(), restrict_vocabulary=True)(build_model(Task()), sample)
