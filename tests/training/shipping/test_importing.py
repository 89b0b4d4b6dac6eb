from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.errors import ExportError
from models.images import decode
from models.preprocessing import Preprocessing
from models.repository import read_metadata
from training.graph.inference import OnnxClassifier
from training.shipping.foreign_graph import read_graph
from training.shipping.importing import ForeignModel, import_onnx
from training.shipping.wrapping import Normalisation

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 8
INPUT = Preprocessing(height=SIDE, width=SIDE, fit="center_crop")
OPSET, IR = 17, 9


def weights(columns: int) -> np.ndarray:
    return np.random.default_rng(7).normal(0, 0.3, (SIDE * SIDE * 3, columns)).astype(np.float32)


MEAN_OF_THE_BATCH = [
    helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
    helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
]


class Foreign:
    """Writes classifiers as other tools export them: float32 in, flattened, one matrix, and perhaps an activation."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "foreign.onnx"

    def write(self, columns=3, activation=None, shape=("batch", 3, SIDE, SIDE), names=("x", "y"), **facts) -> Path:
        image, output = names
        matrix = numpy_helper.from_array(weights(columns), "matrix")
        last = "logits" if activation else output
        constants = [matrix, *facts.get("constants", ())]
        nodes = [
            *(facts["before"] if "before" in facts else [helper.make_node("Flatten", [image], ["flat"], axis=1)]),
            helper.make_node("MatMul", ["flat", "matrix"], [last]),
            *([helper.make_node(activation, ["logits"], [output])] if activation else []),
        ]
        inputs = [helper.make_tensor_value_info(image, facts.get("dtype", TensorProto.FLOAT), shape)]
        if facts.get("ir_version", IR) < 4:  # weights are inputs too, as old exporters wrote them
            inputs.append(helper.make_tensor_value_info("matrix", TensorProto.FLOAT, matrix.dims))
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [shape[0], columns])]
        graph = helper.make_graph(nodes, "foreign", inputs, outputs, constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", facts.get("opset", OPSET))],
            ir_version=facts.get("ir_version", IR),
            producer_name="pytorch",
            producer_version="2.9",
        )
        onnx.save(model, self.path)
        return self.path


@pytest.fixture
def foreign(tmp_path) -> Foreign:
    return Foreign(tmp_path)


@pytest.fixture(scope="module")
def pictures(photographs) -> np.ndarray:
    return np.stack([INPUT.apply(decode(data, INPUT.size)) for data in photographs.values()])


def told(labels="cat,dog,newt", layout="nchw", output="auto", mean=MEAN, std=STD, channels="rgb", name="pets"):
    normalisation = Normalisation(mean, std, layout, channels)
    return ForeignModel(name, "Pets.", tuple(labels.split(",")), normalisation, output, "foreign.onnx")


def imported(path: Path, foreign_model: ForeignModel | None = None, preprocessing=INPUT, name="pets") -> bytes:
    return import_onnx(read_graph(path), preprocessing, foreign_model or told(name=name))


def logits_by_hand(pictures: np.ndarray, columns: int, layout: str = "nchw") -> np.ndarray:
    pixels = (pictures / 255 - np.array(MEAN)) / np.array(STD)
    ordered = pixels.transpose(0, 3, 1, 2) if layout == "nchw" else pixels
    return ordered.reshape(len(pictures), -1) @ weights(columns).astype(float)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("output", ["auto", "logits"])
def test_logits_of_a_pytorch_model_become_probabilities(foreign, pictures, output):
    data = imported(foreign.write(), told(output=output))
    answers = OnnxClassifier(data).predict(pictures)
    np.testing.assert_allclose(answers, softmax(logits_by_hand(pictures, 3)), atol=1e-4)
    assert np.ptp(answers, axis=0).max() > 0.1


def test_the_file_says_what_it_is(foreign):
    metadata = read_metadata(imported(foreign.write()))
    assert (metadata.name, metadata.description, metadata.default) == ("pets", "Pets.", False)
    assert metadata.label_names == ("cat", "dog", "newt")
    assert metadata.preprocessing == INPUT
    assert metadata.training == {
        "imported from": "foreign.onnx",
        "graph made by": "pytorch 2.9",
        "normalised": "rgb, mean 0.485, 0.456, 0.406, standard deviation 0.229, 0.224, 0.225",
    }
    assert [label.certain_from for label in metadata.labels] == [None] * 3
    assert (metadata.licence, metadata.metrics, metadata.sources) == ("as the imported file's", None, ())
    assert len(metadata.golden_samples) == 4


def test_the_graph_takes_and_gives_what_the_house_does(foreign):
    graph = onnx.load_from_string(imported(foreign.write())).graph
    [image], [probabilities] = graph.input, graph.output
    assert (image.name, image.type.tensor_type.elem_type) == ("image", TensorProto.UINT8)
    assert [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim] == ["N", SIDE, SIDE, 3]
    assert [d.dim_param or d.dim_value for d in probabilities.type.tensor_type.shape.dim] == ["N", 3]
    assert probabilities.name == "probabilities"


@pytest.mark.parametrize("output", ["auto", "probabilities"])
def test_probabilities_in_nhwc_stay_as_they_are(foreign, pictures, output):
    path = foreign.write(activation="Softmax", shape=("batch", SIDE, SIDE, 3))
    answers = OnnxClassifier(imported(path, told(layout="nhwc", output=output))).predict(pictures)
    np.testing.assert_allclose(answers, softmax(logits_by_hand(pictures, 3, "nhwc")), atol=1e-4)


@pytest.mark.parametrize("free", ["N", 0, -1])
def test_exporters_write_a_free_axis_in_three_ways(foreign, pictures, free):
    answers = OnnxClassifier(imported(foreign.write(shape=(free, 3, free, free)))).predict(pictures)
    np.testing.assert_allclose(answers, softmax(logits_by_hand(pictures, 3)), atol=1e-4)


@pytest.mark.parametrize("target", [[1, -1], [1, 192], [0, -1]])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_batch_size_that_was_only_written_down_is_freed(foreign, pictures, target, batch):
    """As old exporters of PyTorch write ``view(x.size(0), -1)``, traced at one size."""
    sizes = [batch if size == 1 else size for size in target]
    path = foreign.write(
        shape=(batch, 3, SIDE, SIDE),
        before=[helper.make_node("Reshape", ["x", "sizes"], ["flat"])],
        constants=[numpy_helper.from_array(np.array(sizes, np.int64), "sizes")],
    )
    answers = OnnxClassifier(imported(path)).predict(pictures, 5)
    np.testing.assert_allclose(answers, softmax(logits_by_hand(pictures, 3)), atol=1e-4)


def test_the_layout_is_told_by_the_shape(foreign):
    assert read_graph(foreign.write()).layout == "nchw"
    assert read_graph(foreign.write(shape=("batch", SIDE, SIDE, 3))).layout == "nhwc"
    assert read_graph(foreign.write(shape=(-1, -1, -1, -1))).layout is None
    assert read_graph(foreign.write(shape=(-1, 3, SIDE, 3))).layout is None


def test_colours_may_come_in_opencv_s_order(foreign, pictures):
    answers = OnnxClassifier(imported(foreign.write(), told(channels="bgr"))).predict(pictures)
    np.testing.assert_allclose(answers, softmax(logits_by_hand(pictures[..., ::-1], 3)), atol=1e-4)


@pytest.mark.parametrize("activation", [None, "Sigmoid"])
def test_one_column_becomes_two(foreign, pictures, activation):
    path = foreign.write(columns=1, activation=activation)
    answers = OnnxClassifier(imported(path, told("no,yes"))).predict(pictures)
    yes = 1 / (1 + np.exp(-logits_by_hand(pictures, 1)[:, 0]))
    np.testing.assert_allclose(answers, np.stack([1 - yes, yes], axis=1), atol=1e-4)


@pytest.mark.parametrize("names", [("image", "probabilities"), ("probabilities", "image"), ("N", "loupe_import/one")])
def test_names_that_are_also_ours_do_no_harm(foreign, pictures, names):
    data = imported(foreign.write(names=names))
    np.testing.assert_allclose(OnnxClassifier(data).predict(pictures), softmax(logits_by_hand(pictures, 3)), atol=1e-4)


@pytest.mark.parametrize(("ir_version", "opset"), [(3, 7), (4, 9), (8, 13), (10, 20)])
def test_old_and_new_files_are_read(foreign, pictures, ir_version, opset):
    data = imported(foreign.write(ir_version=ir_version, opset=opset))
    np.testing.assert_allclose(OnnxClassifier(data).predict(pictures), softmax(logits_by_hand(pictures, 3)), atol=1e-4)


def test_grey_has_one_channel(foreign, pictures):
    path = foreign.path
    matrix = numpy_helper.from_array(weights(2)[: SIDE * SIDE], "matrix")
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])]
    graph = helper.make_graph(nodes, "grey", inputs, outputs, [matrix])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR), path)
    grey_input = INPUT.model_copy(update={"channels": 1})
    data = imported(path, told("no,yes", mean=(0.5,), std=(0.25,)), grey_input)
    grey = pictures[..., :1]
    expected = softmax((grey.reshape(len(grey), -1) / 255 - 0.5) / 0.25 @ weights(2)[: SIDE * SIDE].astype(float))
    np.testing.assert_allclose(OnnxClassifier(data).predict(grey), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("facts", "arguments", "sentence"),
    [
        (
            {"shape": (1, 3, SIDE, SIDE), "before": MEAN_OF_THE_BATCH},
            {},
            "the batch size is fixed at 1 inside the graph; export the model again with a free batch axis (torch.onnx",
        ),
        ({}, {"labels": "cat,dog"}, "answers 3 labels, 2 were named"),
        ({"columns": 1}, {"labels": "a,b,c"}, "answers 2 labels, 3 were named"),
        ({}, {"labels": "cat,dog,cat"}, "two labels have the same name"),
        ({}, {"layout": "nhwc"}, "the input is [3, 8, 8], but --size and --layout nhwc mean [8, 8, 3]"),
        ({"shape": ("batch", 3, SIDE)}, {}, "a float32 input with four axes, or two, is wanted, x is not one"),
        ({}, {"mean": (0.5,)}, "mean and std need a number for each channel"),
        ({}, {"std": (0.2, 0.2, 0.0)}, "std above 0"),
        ({"opset": 6}, {}, "the graph is of opset 6; at least 7 is wanted"),
    ],
)
def test_what_does_not_fit_is_one_sentence(foreign, facts, arguments, sentence):
    path = foreign.write(**facts)
    with pytest.raises(ExportError) as raised:
        imported(path, told(**arguments))
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_name_that_is_none_is_refused(foreign):
    with pytest.raises(
        ExportError,
        match=r"^what was said of the model is wrong at name: must be 1 to 64 small letters.*; 'My Pets' was given",
    ):
        imported(foreign.write(), name="My Pets")


def test_a_wrong_size_that_the_graph_leaves_open_is_told_by_the_runtime(foreign):
    path = foreign.write(shape=("batch", 3, "h", "w"))
    imported(path)
    with pytest.raises(ExportError, match=r"^ONNX Runtime cannot run the graph: ") as raised:
        imported(path, preprocessing=Preprocessing(height=9, width=9))
    assert "\n" not in str(raised.value)


def test_what_claims_to_be_probabilities_and_is_not_is_refused(foreign):
    """The golden samples must be probabilities; logits are none."""
    with pytest.raises(ExportError):
        imported(foreign.write(), told(output="probabilities"))


@pytest.mark.parametrize("content", [b"no onnx at all", b"", b"\x08\x0a"])
def test_what_is_not_onnx_is_told(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"model\.onnx is not an ONNX model that can be read: .") as raised:
        imported(path)
    assert "\n" not in str(raised.value)
    with pytest.raises(ExportError, match=r"none\.onnx is not an ONNX model that can be read: No such file"):
        imported(tmp_path / "none.onnx")


def test_what_onnx_checker_says_is_one_sentence(foreign):
    model = onnx.load(foreign.write())
    model.graph.node.reverse()
    onnx.save(model, foreign.path)
    with pytest.raises(ExportError, match=r"cannot be? read|topologically sorted") as raised:
        imported(foreign.path)
    assert "\n" not in str(raised.value)
    assert "is not output of any previous nodes" in str(raised.value)
    assert "Context" not in str(raised.value)


def test_two_inputs_are_one_too_many(foreign):
    model = onnx.load(foreign.write())
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch"]))
    onnx.save(model, foreign.path)
    with pytest.raises(ExportError, match="one input is wanted, the graph has 2"):
        imported(foreign.path)


def test_a_row_of_values_is_a_picture_too(foreign, pictures):
    """As pipelines of scikit-learn take it, which answer the label beside the probabilities."""
    path = foreign.write(activation="Softmax", shape=("batch", SIDE * SIDE * 3), before=[])
    model = onnx.load(path)
    model.graph.node[0].input[0] = "x"
    model.graph.node.append(helper.make_node("ArgMax", ["y"], ["label"], axis=1, keepdims=0))
    model.graph.output.insert(0, helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
    onnx.save(model, path)
    answers = OnnxClassifier(imported(path, told(layout="nhwc"))).predict(pictures)
    np.testing.assert_allclose(answers, softmax(logits_by_hand(pictures, 3, "nhwc")), atol=1e-4)
    with pytest.raises(ExportError, match=r"the input is \[192\], but --size and --layout nhwc mean \[108\]"):
        imported(path, told(layout="nhwc"), Preprocessing(height=6, width=6))


def test_dictionaries_of_probabilities_name_the_option(foreign):
    model = onnx.load(foreign.write())
    element = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    model.graph.node.append(
        helper.make_node("ZipMap", ["y"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2])
    )
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    del model.graph.output[:]
    model.graph.output.append(helper.make_value_info("maps", helper.make_sequence_type_proto(element)))
    onnx.save(model, foreign.path)
    with pytest.raises(ExportError, match="zipmap=False"):
        imported(foreign.path)


def test_two_outputs_that_could_be_it_are_named(foreign):
    model = onnx.load(foreign.write())
    model.graph.node.append(helper.make_node("Neg", ["y"], ["other"]))
    model.graph.output.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ["batch", 3]))
    onnx.save(model, foreign.path)
    with pytest.raises(ExportError, match=r"^one output \[N, K\] is wanted, the graph has y, other$"):
        imported(foreign.path)
