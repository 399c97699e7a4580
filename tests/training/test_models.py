from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from imil_sim.errors import DataError, ImilSimError, StudyError
from imil_sim.study.spec import ModelSpec
from imil_sim.training.cam import target_layer
from imil_sim.training.models import build, check_model, known_models, weights_fingerprint


def make(
    name: str = "resnet10",
    weights: str = "none",
    *,
    classes: int = 2,
    size: int = 32,
    seed: int = 0,
    beside: Path | None = None,
) -> nn.Module:
    return build(ModelSpec(name=name, weights=weights), classes=classes, size=size, seed=seed, beside=beside)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """The names under which both hold equal tensors."""
    return {name for name in one if name in other and torch.equal(one[name], other[name])}


# ------------------------------------------------------------------------------------------------------------- names


def test_an_unknown_name_lists_the_near_one() -> None:
    with pytest.raises(
        StudyError, match=r'no model "resnet81", installed or of torchvision.*Did you mean "resnet18"\?'
    ):
        check_model(ModelSpec(name="resnet81"))
    with pytest.raises(StudyError, match='"googlenet" trains with auxiliary losses'):
        make("googlenet")


def test_known_models_are_classifiers_with_one_output() -> None:
    assert {"resnet10", "resnet18", "resnet50", "densenet121", "vit_b_16", "swin_t"} <= set(known_models())
    assert not {"googlenet", "inception_v3", "raft_small", "fcn_resnet50"} & set(known_models())


SMALLEST = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "maxvit_t", "mnasnet0_5",
    "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet10", "resnet18", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vgg11_bn", "vit_b_16", "wide_resnet50_2",
)  # fmt: skip


def test_every_kind_of_model_has_its_smallest_in_the_list() -> None:
    kinds = {name[:4] for name in known_models()}
    assert kinds == {name[:4] for name in SMALLEST}


@pytest.mark.parametrize("name", SMALLEST)
def test_every_kind_of_model_can_be_trained_and_explained(name: str) -> None:
    check_model(ModelSpec(name=name), size=224)


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [("vit_b_16", 40, "indivisible by patch size"), ("maxvit_t", 96, ""), ("alexnet", 16, "")],
)
def test_a_size_the_model_does_not_take_is_said_before_training(name: str, size: int, reason: str) -> None:
    check_model(ModelSpec(name=name))
    with pytest.raises(StudyError, match=f'"{name}" does not take images of {size} x {size} pixels .*{reason}'):
        check_model(ModelSpec(name=name), size=size)


def test_a_vit_takes_the_size_of_the_images() -> None:
    tokens = make("vit_b_16", size=48).get_parameter("encoder.pos_embedding")
    assert tokens.shape[1] == 1 + (48 // 16) ** 2


def test_resnet10_has_ten_layers() -> None:
    model = make("resnet10")
    layers = [
        m for m in model.modules() if isinstance(m, nn.Linear) or (isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1))
    ]
    assert len(layers) == 10
    # stem, four blocks of two 3x3 convolutions with 64 to 512 channels (three with a 1x1 on the side), head
    norm, three = lambda c: 2 * c, lambda a, b: 9 * a * b
    blocks = 2 * three(64, 64) + 2 * norm(64)
    for c in (128, 256, 512):
        blocks += three(c // 2, c) + three(c, c) + c // 2 * c + 3 * norm(c)
    assert sum(p.numel() for p in model.parameters()) == 49 * 3 * 64 + norm(64) + blocks + 512 * 2 + 2 == 4_906_818
    assert type(model) is type(make("resnet18"))


@pytest.mark.parametrize("classes", [2, 5])
def test_there_is_a_logit_for_every_class(classes: int) -> None:
    assert make(classes=classes).eval()(torch.zeros(2, 3, 32, 32)).shape == (2, classes)


# -------------------------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize("name", ["resnet10", "mobilenet_v3_small"])
def test_weights_depend_on_the_seed_alone(name: str) -> None:
    before = torch.get_rng_state()
    one = make(name, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        assert same(one, make(name, seed=1).state_dict()) == set(one)
    other = make(name, seed=2).state_dict()
    drawn = {n for n, value in one.items() if n.endswith("weight") and value.ndim > 1}
    assert drawn
    assert not same(one, other) & drawn


# -------------------------------------------------------------------------------------------------------------- files


@pytest.fixture
def other_weights() -> dict[str, Tensor]:
    """Of a resnet10 with two classes."""
    return {name: value.contiguous() for name, value in make(seed=7).state_dict().items()}


@pytest.mark.parametrize("kind", ["safetensors", "pth", "checkpoint.pth"])
def test_weights_come_back_from_a_file(kind: str, other_weights: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / f"weights.{kind}"
    if kind == "safetensors":
        save_file(other_weights, path)
    else:
        torch.save({"state_dict": other_weights, "epoch": 3} if kind != "pth" else other_weights, path)
    check_model(ModelSpec(name="resnet10", weights=path.name), beside=tmp_path, size=32)
    found = make(weights=path.name, beside=tmp_path).state_dict()
    assert same(found, other_weights) == set(found)
    assert found["conv1.weight"].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("name", "head"), [("resnet10", "fc"), ("squeezenet1_1", "classifier.1")])
def test_another_number_of_classes_draws_the_last_layer_anew(name: str, head: str, tmp_path: Path) -> None:
    path = str(tmp_path / "weights.safetensors")
    weights = {n: value.contiguous() for n, value in make(name, seed=7, size=64).state_dict().items()}
    save_file(weights, path)
    found, untrained = (make(name, weights=w, classes=3, size=64).state_dict() for w in (path, "none"))
    of_head = {f"{head}.weight", f"{head}.bias"}
    assert same(found, weights) == set(weights) - of_head
    assert of_head <= same(found, untrained)
    assert found[f"{head}.bias"].shape == (3,)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("other model", StudyError, r'"w.pth" does not fit resnet10: \d+ of 74 tensors are missing'),
        ("text", DataError, "w.pth is not a weights file that can be read safely"),
        ("whole model", DataError, "w.pth is not a weights file that can be read safely"),
        ("list", DataError, "w.pth does not hold tensors by name"),
        ("numbers", DataError, "w.pth does not hold tensors by name"),
        ("folder", DataError, '"w.pth" is a folder'),
        ("nothing", DataError, r'model.weights: "w.pth" was not found. Looked at'),
    ],
)
def test_a_wrong_file_is_one_clear_error(content: str, error: type[ImilSimError], message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    match content:
        case "other model":
            torch.save(make("mobilenet_v3_small").state_dict(), path)
        case "text":
            path.write_text("no weights\n")
        case "whole model":
            torch.save(make(), path)
        case "list":
            torch.save([torch.zeros(1)], path)
        case "numbers":
            torch.save({"fc.bias": 3.0}, path)
        case "folder":
            path.mkdir()
    with pytest.raises(error, match=message) as caught:
        check_model(ModelSpec(name="resnet10", weights="w.pth"), beside=tmp_path, size=32)
    assert len(str(caught.value)) < 700
    with pytest.raises(error, match=message):
        make(weights="w.pth", beside=tmp_path)


def test_a_damaged_safetensors_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(DataError, match=r"w\.safetensors is not a weights file"):
        make(weights="w.safetensors", beside=tmp_path)


def test_resnet10_has_no_weights_to_fetch() -> None:
    with pytest.raises(StudyError, match='no weights for "resnet10"'):
        make(weights="DEFAULT")


def test_weights_are_called_by_their_content(other_weights: dict[str, Tensor], tmp_path: Path) -> None:
    assert [weights_fingerprint(ModelSpec(weights=w)) for w in ("none", "DEFAULT")] == ["none", "DEFAULT"]

    def named(name: str) -> str:
        save_file(other_weights, tmp_path / name)
        return weights_fingerprint(ModelSpec(weights=name), beside=tmp_path)

    one = named("a.safetensors")
    assert len(one) == 64
    assert named("b.safetensors") == one
    other_weights["fc.bias"] += 1
    assert named("a.safetensors") != one


def test_pretrained_weights_replace_all_but_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    from imil_sim.training import models as room

    published = room._untrained("resnet18", 1000, 224)
    real = room.models.get_model

    def without_network(name: str, weights: str | None = None, **options: object) -> nn.Module:
        return published if weights == "DEFAULT" else real(name, weights=weights, **options)

    monkeypatch.setattr(room.models, "get_model", without_network)
    found = make("resnet18", weights="DEFAULT").state_dict()
    assert same(found, published.state_dict()) == set(found) - {"fc.weight", "fc.bias"}

    def no_network(name: str, weights: str | None = None, **options: object) -> nn.Module:
        if weights == "DEFAULT":
            raise OSError("no route to host")
        return real(name, weights=weights, **options)

    monkeypatch.setattr(room.models, "get_model", no_network)
    with pytest.raises(DataError, match=r'weights of torchvision for "resnet18" could not be fetched \(no route'):
        make("resnet18", weights="DEFAULT")


def test_a_model_without_a_known_last_block_has_no_grad_cam() -> None:
    with pytest.raises(StudyError, match="no Grad-CAM for Linear"):
        target_layer(nn.Linear(1, 1))
