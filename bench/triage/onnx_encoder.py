"""The sentence encoder of tier 1 as an ONNX model, for the comparison with ONNX Runtime.

Written down from the same pinned weights as `make encoder` takes, in the fused operators that ONNX Runtime's own optimiser
makes of an exported BERT (Attention, SkipLayerNormalization, BiasGelu), then quantised by its own dynamic quantisation:
8-bit weights, activations at run time. Mean over the pieces at the end, as the model's authors pool.
"""
import json
import os

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

FUSED = "com.microsoft"


def safetensors(path):
    """name -> array: an 8-byte size, a JSON header, the numbers."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        numbers = file.read()
    header.pop("__metadata__", None)
    kinds = {"F32": numpy.float32, "I64": numpy.int64}
    return {name: numpy.frombuffer(numbers[slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()}


class Graph:
    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(numpy.ascontiguousarray(value), name)
        return name

    def weight(self, name, turned=False):
        value = self.weights[name]
        return self.constant(name + ("_t" if turned else ""), value.T if turned else value)

    def add(self, kind, inputs, domain="", **attributes):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], domain=domain, name=out + kind, **attributes))
        return out

    def norm(self, inputs, name, epsilon):
        """Layer norm of the sum of two inputs and a bias."""
        return self.add("SkipLayerNormalization",
                        inputs[:2] + [self.weight(name + ".weight"), self.weight(name + ".bias")] + inputs[2:],
                        FUSED, epsilon=epsilon)

    def block(self, hidden, name, heads, epsilon):
        parts = [name + "attention.self." + part for part in ("query", "key", "value")]
        qkv = self.constant(name + "qkv", numpy.concatenate([self.weights[p + ".weight"].T for p in parts], axis=1))
        bias = self.constant(name + "qkv_bias", numpy.concatenate([self.weights[p + ".bias"] for p in parts]))
        seen = self.add("Attention", [hidden, qkv, bias], FUSED, num_heads=heads)
        out = name + "attention.output."
        update = self.add("MatMul", [seen, self.weight(out + "dense.weight", True)])
        hidden = self.norm([update, hidden, self.weight(out + "dense.bias")], out + "LayerNorm", epsilon)
        wide = self.add("MatMul", [hidden, self.weight(name + "intermediate.dense.weight", True)])
        wide = self.add("BiasGelu", [wide, self.weight(name + "intermediate.dense.bias")], FUSED)
        update = self.add("MatMul", [wide, self.weight(name + "output.dense.weight", True)])
        return self.norm([update, hidden, self.weight(name + "output.dense.bias")], name + "output.LayerNorm", epsilon)


def write(folder, path):
    """The model of `folder` (config.json, model.safetensors) as 32-bit floats."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    graph = Graph(safetensors(os.path.join(folder, "model.safetensors")))
    epsilon = config["layer_norm_eps"]
    first = graph.constant("first_type", graph.weights["embeddings.token_type_embeddings.weight"][0])
    pieces = graph.add("Gather", [graph.weight("embeddings.word_embeddings.weight"), "pieces"])
    places = graph.add("Gather", [graph.weight("embeddings.position_embeddings.weight"), "positions"])
    hidden = graph.norm([pieces, places, first], "embeddings.LayerNorm", epsilon)
    for number in range(config["num_hidden_layers"]):
        hidden = graph.block(hidden, f"encoder.layer.{number}.", config["num_attention_heads"], epsilon)
    graph.nodes.append(helper.make_node("ReduceMean", [hidden, graph.constant("axis", numpy.array([1]))], ["vector"],
                                        keepdims=0))
    integers = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, "count"]) for name in ("pieces", "positions")]
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, config["hidden_size"]])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "encoder", integers, [vector], list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(FUSED, 1)], ir_version=9)
    onnx.save(model, path)


def make(folder, path):
    """The same with 8-bit weights, at `path`."""
    write(folder, path + ".float")
    # The fused operators' outputs are of a type that the quantiser does not know: floats.
    quantize_dynamic(path + ".float", path, weight_type=QuantType.QInt8, per_channel=True,
                     extra_options={"DefaultTensorType": TensorProto.FLOAT})


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(model, ids):
    pieces = numpy.array([ids], dtype=numpy.int64)
    positions = numpy.arange(len(ids), dtype=numpy.int64)[None]
    return model.run(None, {"pieces": pieces, "positions": positions})[0][0]
