import torch
from hypothesis import given
from hypothesis import strategies as st

from labelmend.selection.folds import stratified_folds


def test_folds_have_their_share_of_each_class():
    given = torch.tensor([0] * 10 + [1] * 7 + [2] * 3)
    folds = stratified_folds(given, 4, torch.Generator().manual_seed(0))
    assert torch.bincount(folds).tolist() == [5, 5, 5, 5]
    for label, count in ((0, 10), (1, 7), (2, 3)):
        sizes = torch.bincount(folds[given == label], minlength=4)
        assert sizes.sum() == count
        assert sizes.max() - sizes.min() <= 1
    other = stratified_folds(given, 4, torch.Generator().manual_seed(1))
    assert not torch.equal(folds, other)
    assert torch.equal(folds, stratified_folds(given, 4, torch.Generator().manual_seed(0)))


def test_classes_of_whole_folds_are_shared_exactly():
    labels = torch.arange(3).repeat_interleave(torch.tensor([50, 10, 5]))
    fold = stratified_folds(labels, 5, torch.Generator().manual_seed(0))
    for label, each in enumerate((10, 2, 1)):
        assert torch.bincount(fold[labels == label], minlength=5).tolist() == [each] * 5


@given(st.lists(st.integers(0, 2), min_size=5, max_size=60), st.integers(0, 99))
def test_folds_share_each_class_evenly(labels, seed):
    label = torch.tensor(labels)
    fold = stratified_folds(label, 5, torch.Generator().manual_seed(seed))
    for each in range(3):
        counts = fold[label == each].bincount(minlength=5)
        assert int(counts.max() - counts.min()) <= 1


def test_equal_images_are_in_one_fold():
    groups = torch.tensor([7, 7, 3, 3, 3, 9, 1, 2, 4, 7])
    fold = stratified_folds(torch.zeros(10, dtype=torch.int64), 5, torch.Generator().manual_seed(0), groups)
    assert len(set(fold[groups == 7].tolist())) == len(set(fold[groups == 3].tolist())) == 1
    assert len(set(fold.tolist())) == 5


def test_no_samples_have_no_folds():
    assert stratified_folds(torch.empty(0, dtype=torch.int64), 5, torch.Generator()).shape == (0,)


def test_within_a_class_the_shuffled_order_decides():
    """Thousands of one class: sorting by class must not shuffle them another way."""
    folds = stratified_folds(torch.zeros(5000, dtype=torch.int64), 5, torch.Generator().manual_seed(3))
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(3))
    assert torch.equal(folds[order], torch.arange(5000) % 5)


def test_a_group_of_several_labels_counts_as_the_last_of_them():
    """However many threads there are: with two, one run in a few would differ."""
    draw = torch.Generator().manual_seed(1)
    labels, groups = (
        torch.randint(10, (20_000,), generator=draw),
        torch.randint(4_000, (20_000,), generator=draw),
    )
    last = dict(zip(groups.tolist(), labels.tolist(), strict=True))
    of_group = torch.tensor([last[group] for group in groups.tolist()])
    expected = stratified_folds(of_group, 5, torch.Generator().manual_seed(0), groups)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in range(20):
            found = stratified_folds(labels, 5, torch.Generator().manual_seed(0), groups)
            assert torch.equal(found, expected)
    finally:
        torch.set_num_threads(threads)
