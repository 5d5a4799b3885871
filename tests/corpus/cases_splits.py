"""Folders divided into splits, and folders that only look like it."""

from __future__ import annotations

from corpus.build import png, put, write
from corpus.registry import Source, case

TRAIN = ("train/cat/1.png", "train/dog/2.png")
TEST = ("test/cat/3.png", "test/dog/4.png")
SPLIT = {"classes": ["cat", "dog"], "labels": ["cat", "dog"], "test": ("cat", "dog"), "values": [10, 20]}


@case(**SPLIT)
def train_and_test_beside_models(folder):
    put(folder, *TRAIN, *TEST)
    write(folder / "models/weights.bin", "x")
    return Source(folder)


@case(**SPLIT, notes=[r"samples/ is no split and is left out"])
def train_and_test_beside_other_images(folder):
    return Source(put(folder, *TRAIN, *TEST, "samples/a.png"))


@case(**SPLIT)
def train_and_test_beside_macosx_and_git(folder):
    put(folder, *TRAIN, *TEST, "__MACOSX/train/cat/._1.png", "__MACOSX/x.png", ".git/logo.png")
    return Source(folder)


@case(**SPLIT)
def train_and_test_beside_a_run_folder(folder):
    put(folder, *TRAIN, *TEST, "out/worst.png")
    write(folder / "out/settings.yaml", "seed: 0")
    write(folder / "out/data.json", "{}")
    return Source(folder)


@case(**SPLIT, notes=["training_set is train, test_set is test|test_set is test, training_set is train"])
def training_set_and_test_set(folder):
    put(
        folder, "training_set/cat/1.png", "training_set/dog/2.png", "test_set/cat/3.png", "test_set/dog/4.png"
    )
    return Source(folder)


@case(**SPLIT)
def training_set_in_training_set(folder):
    put(folder, *(f"{s}_set/{s}_set/{c}/{s}.png" for s in ("training", "test") for c in ("cat", "dog")))
    return Source(folder)


@case(
    classes=["sea", "wood"],
    labels=["sea", "wood"],
    ids=["seg_train/seg_train/sea/1.png", "seg_train/seg_train/wood/2.png"],
    test=("sea",),
    notes=["seg_train is train", "seg_pred/ is no split"],
)
def seg_train_as_kaggle_has_it(folder):
    put(folder, "seg_train/seg_train/sea/1.png", "seg_train/seg_train/wood/2.png")
    put(folder, "seg_test/seg_test/sea/3.png", "seg_pred/seg_pred/9.png")
    return Source(folder)


@case(**SPLIT)
def upper_case_splits(folder):
    return Source(put(folder, *(name.replace("t", "T", 1) for name in (*TRAIN, *TEST))))


@case(**SPLIT)
def years_behind_splits(folder):
    return Source(
        put(folder, "train2017/cat/1.png", "train2017/dog/2.png", "val2017/cat/3.png", "val2017/dog/4.png")
    )


@case(**SPLIT)
def train_images_and_valid_images(folder):
    put(folder, "train_images/cat/1.png", "train_images/dog/2.png")
    return Source(put(folder, "x/y", "Valid-Images/cat/3.png", "Valid-Images/dog/4.png"))


@case(**SPLIT)
def trainset_in_one_word(folder):
    return Source(
        put(folder, "trainset/cat/1.png", "trainset/dog/2.png", "testset/cat/3.png", "testset/dog/4.png")
    )


@case(error=r"test, val looks like a split, but there is no training split; .*--split NAME.*--split none")
def val_and_test_without_train(folder):
    return Source(put(folder, "val/cat/1.png", "val/dog/2.png", *TEST))


@case(classes=["cat", "dog"], values=[10, 20], test=("cat", "dog"))
def val_chosen_without_train(folder):
    return Source(put(folder, "val/cat/1.png", "val/dog/2.png", *TEST), {"split": "val"})


@case(classes=["cat", "dog"], values=[30, 40], test=())
def a_split_is_not_tested_on_itself(folder):
    return Source(put(folder, *TRAIN, *TEST), {"split": "test"})


@case(error=r"test looks like a split, but there is no training split beside it \(but photos/\)")
def a_test_folder_beside_the_photos(folder):
    return Source(put(folder, "photos/cat/1.png", "photos/dog/2.png", *TEST))


@case(classes=["cat", "dog"], values=[10, 20], test=("cat", "dog"))
def any_subfolder_can_be_the_split(folder):
    return Source(put(folder, "photos/cat/1.png", "photos/dog/2.png", *TEST), {"split": "photos"})


@case(
    classes=["car", "test", "train"],
    labels=["car", "test", "train"],
    notes=["test, train is taken for a class"],
)
def classes_called_train_and_test(folder):
    return Source(put(folder, "car/1.png", "test/2.png", "train/3.png"))


@case(error=r"not clear whether train/ is a split or a class like bus/, car/; .*--split train .*--split none")
def a_class_called_train_that_is_divided(folder):
    return Source(put(folder, "bus/1.png", "car/2.png", "train/steam/3.png", "train/diesel/4.png"))


@case(classes=["bus", "car", "train"], labels=["bus", "car", "train", "train"], test=())
def a_divided_class_with_split_none(folder):
    put(folder, "bus/1.png", "car/2.png", "train/steam/3.png", "train/diesel/4.png")
    return Source(folder, {"split": "none"})


@case(classes=["test", "train"], values=[10, 20, 30, 40], labels=["test", "test", "train", "train"], test=())
def split_none_takes_all_folders_for_classes(folder):
    return Source(put(folder, *TEST, *TRAIN), {"split": "none"})


@case(classes=["bad", "good"], labels=["bad", "good"], test=("good",), notes=["each class folder is divided"])
def splits_within_classes(folder):
    return Source(put(folder, "bad/train/1.png", "good/train/2.png", "good/test/3.png"))


@case(error="train and training are both its train split")
def two_folders_for_one_split(folder):
    return Source(put(folder, "train/cat/1.png", "training/dog/2.png"))


@case(**SPLIT, notes=["all images are in flowers/, which is read"])
def splits_below_a_wrapper(folder):
    return Source(put(folder, *(f"flowers/{name}" for name in (*TRAIN, *TEST)), "__MACOSX/a.png"))


@case(classes=["cat", "dog"], ids=["pets/pets/cat/1.png", "pets/pets/dog/2.png"])
def classes_below_two_wrappers(folder):
    return Source(put(folder, "pets/pets/cat/1.png", "pets/pets/dog/2.png"))


@case(
    classes=["cat", "dog"], values=[10, 20], test=(), notes=["test split is not scored, as it has no labels"]
)
def a_flat_test_folder(folder):
    return Source(put(folder, *TRAIN, "test/3.png", "test/4.png"))


@case(classes=["cat", "dog"], test=(), notes=["not scored, as it has no labels.*--test none"])
def an_empty_test_folder_and_split_train(folder):
    put(folder, *TRAIN)
    (folder / "test").mkdir()
    return Source(folder, {"split": "train"})


@case(classes=["cat", "dog"], test=("dog",), notes=["test split is not scored"])
def an_unlabelled_test_beside_a_labelled_val(folder):
    return Source(put(folder, *TRAIN, "val/dog/3.png", "test/4.png"))


@case(classes=["cat", "dog"], test=())
def no_test_set_is_asked_for(folder):
    return Source(put(folder, *TRAIN, *TEST, "test/zebra/9.png"), {"test": "none"})


@case(error="class 'zebra' is not one of the 2 classes")
def a_test_class_that_training_lacks(folder):
    return Source(put(folder, *TRAIN, *TEST, "test/zebra/9.png"))


@case(error=r"no class folders with images \(the images lie directly in it\)")
def flat_train_and_test(folder):
    return Source(put(folder, "train/1.png", "test/2.png"))


@case(classes=["cat", "dog"], skipped=["stray.png: lies in no class folder", "cat/notes.txt: not an image"])
def loose_images_beside_classes(folder):
    put(folder, "cat/1.png", "dog/2.png", "stray.png")
    write(folder / "cat/notes.txt", "x")
    return Source(folder)


@case(classes=["a", "b"], values=[10, 20])
def test_images_are_png_bytes(folder):
    put(folder, "a/1.png", "b/2.png")
    assert png(10) == (folder / "a/1.png").read_bytes()
    return Source(folder)


@case(error=r"fold1, fold2 hold the same folders \(cat, dog\), .*--split NAME, .*--split none")
def folds_of_one_data_set(folder):
    return Source(put(folder, *(f"fold{n}/{c}/{n}.png" for n in (1, 2) for c in ("cat", "dog"))))


@case(classes=["cat", "dog"], ids=["cleaned/cat/1.png", "cleaned/dog/1.png"], test=())
def one_of_two_versions(folder):
    put(folder, *(f"{part}/{c}/1.png" for part in ("raw", "cleaned") for c in ("cat", "dog")))
    return Source(folder, {"split": "cleaned"})


@case(classes=["cat", "dog"], labels=["cat", "cat", "dog", "dog"])
def classes_that_hold_the_same_folders(folder):
    put(folder, *(f"{c}/{part}/1.png" for part in ("day", "night") for c in ("cat", "dog")))
    return Source(folder, {"split": "none"})


@case(classes=["cat", "dog"], test=(), notes=["test split is not scored, .*class 'unknown' is not one of"])
def a_test_split_in_a_folder_called_unknown(folder):
    return Source(put(folder, *TRAIN, "test/unknown/3.png"))
