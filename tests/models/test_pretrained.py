import torch

from labelmend.models.pretrained import load_backbone


def test_the_offline_default_gives_features_of_its_penultimate_layer():
    backbone = load_backbone("efficientnet_lite0")
    preprocessing = backbone.preprocessing
    assert (backbone.name, backbone.feature_dim, backbone.training) == ("efficientnet_lite0", 1280, False)
    assert (preprocessing.size, preprocessing.crop, preprocessing.interpolation) == (224, 0.875, "bicubic")
    assert preprocessing.mean == preprocessing.std == (0.5, 0.5, 0.5)
    with torch.no_grad():
        assert backbone(torch.zeros(2, 3, 224, 224)).shape == (2, 1280)
