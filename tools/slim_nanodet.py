"""Take out of `nanodet.onnx` what a person detector of any picture shape does not need. Run once, after converting.

    pip install onnx
    python tools/slim_nanodet.py converted.onnx edge/models/nanodet.onnx

Of the heads' 80 class scores only the person's stays, the −∞ border that is painted before the max pooling
becomes the pooling's own padding, the pooling works on bytes (rounded once where it was twice), and height
and width become free, so that a wide picture is not padded to a square.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

PERSON = 0
CLASSES = 80
SIDES = 44


def main() -> None:
    """Slim, check, print the digest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    model = onnx.load(args.model)
    graph = model.graph
    _keep_one_class(graph)
    _pad_in_the_pooling(graph)
    _free_shape(graph)
    _drop_unused(graph)
    onnx.checker.check_model(model)
    args.out.write_bytes(model.SerializeToString())
    print(hashlib.sha256(args.out.read_bytes()).hexdigest(), args.out)


def _keep_one_class(graph: onnx.GraphProto) -> None:
    """Slice the output channels of each head's last convolution: class 0, then the four sides."""
    made = {output: node for node in graph.node for output in node.output}
    weights = {entry.name: entry for entry in graph.initializer}
    kept = np.r_[PERSON, CLASSES : CLASSES + SIDES]
    for split in [node for node in graph.node if node.op_type == "Split"]:
        node = made[split.input[0]]
        while node.op_type != "Conv":
            node = made[node.input[0]]
        for operand in node.input[1:]:
            for name in made[operand].input:
                entry = weights[name]
                values = numpy_helper.to_array(entry)
                if values.ndim and values.shape[0] == CLASSES + SIDES:
                    entry.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values[kept]), name))
        _set(graph, split.input[1], np.array([1, SIDES], np.int64))
        for part, channels in zip(split.output, (1, SIDES), strict=True):
            _reshape_to(graph, part, channels)


def _reshape_to(graph: onnx.GraphProto, part: str, channels: int) -> None:
    todo = [part]
    while todo:
        name = todo.pop()
        for node in graph.node:
            if name in node.input:
                if node.op_type == "Reshape":
                    _set(graph, node.input[1], np.array([1, channels, -1], np.int64))
                else:
                    todo += node.output


def _pad_in_the_pooling(graph: onnx.GraphProto) -> None:
    for pool in [node for node in graph.node if node.op_type == "MaxPool"]:
        pad = next(node for node in graph.node if pool.input[0] in node.output)
        if pad.op_type != "Pad":
            raise SystemExit("the max pooling is not padded by a node of its own")
        pool.input[0] = pad.input[0]
        graph.node.remove(pad)
        if any(attribute.name == "auto_pad" for attribute in pool.attribute):
            pool.attribute.remove(next(a for a in pool.attribute if a.name == "auto_pad"))
        pool.attribute.append(helper.make_attribute("pads", [1, 1, 1, 1]))
        _round_once(graph, pool)


def _round_once(graph: onnx.GraphProto, pool: onnx.NodeProto) -> None:
    """Give the pooling's input the 8-bit scale of its output, so that it pools bytes.

    Rounding and clamping keep order, so the largest of what was rounded is what the largest rounds to.
    """
    after = next(node for node in graph.node if pool.output[0] in node.input)
    opened = next(node for node in graph.node if pool.input[0] in node.output)
    closed = next(node for node in graph.node if opened.input[0] in node.output)
    opened.input[1:] = after.input[1:]
    closed.input[1:] = after.input[1:]


def _free_shape(graph: onnx.GraphProto) -> None:
    del graph.value_info[:]
    dims = graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_param, dims[3].dim_param = "height", "width"
    for output in graph.output:
        shape = output.type.tensor_type.shape.dim
        shape[1].dim_param = f"cells{output.name.removeprefix('scores').removeprefix('boxes')}"
        shape[2].dim_value = 1 if output.name.startswith("scores") else SIDES


def _set(graph: onnx.GraphProto, name: str, values: np.ndarray) -> None:
    entry = next(entry for entry in graph.initializer if entry.name == name)
    entry.CopyFrom(numpy_helper.from_array(values, name))


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    for entry in [entry for entry in graph.initializer if entry.name not in used]:
        graph.initializer.remove(entry)


if __name__ == "__main__":
    main()
