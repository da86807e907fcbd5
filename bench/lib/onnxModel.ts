// The protobuf messages of onnx.proto for a model with one or two nodes.
import { type GemmCase, gemmShapes } from "../peers/gemmPeer.ts";

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

function int(field: number, value: number): number[] {
  return [...varint(field * 8), ...varint(value)];
}

function message(field: number, ...parts: number[][]): number[] {
  const body = parts.flat();
  return [...varint(field * 8 + 2), ...varint(body.length), ...body];
}

function text(field: number, value: string): number[] {
  return message(field, [...new TextEncoder().encode(value)]);
}

/** Encodes a node. An attribute is an int or a list of ints. */
function node(type: string, inputs: string[], output: string, attributes: Record<string, number | number[]> = {}) {
  const [attributeInt, attributeInts] = [2, 7];
  return message(
    1,
    ...inputs.map((name) => text(1, name)),
    text(2, output),
    text(4, type),
    ...Object.entries(attributes).map(([name, value]) =>
      Array.isArray(value)
        ? message(5, text(1, name), ...value.map((x) => int(8, x)), int(20, attributeInts))
        : message(5, text(1, name), int(3, value), int(20, attributeInt)),
    ),
  );
}

/**
 * Returns the bytes of an ONNX model c = a * b. A single product is one Gemm node with the transpose as an attribute. A
 * batched product is MatMul after a Transpose, which the runtime fuses.
 */
export function productModel(product: Omit<GemmCase, "a" | "b">): Uint8Array {
  const float32 = 1;
  const { a, b, c } = gemmShapes(product);
  const value = (field: number, name: string, shape: number[]) => {
    const dimensions = message(2, ...shape.map((size) => message(1, int(1, size))));
    return message(field, text(1, name), message(2, message(1, int(1, float32), dimensions)));
  };
  const plain = [node("Gemm", ["a", "b"], "c", { transB: Number(product.transB) })];
  const batched = product.transB
    ? [node("Transpose", ["b"], "bt", { perm: [0, 2, 1] }), node("MatMul", ["a", "bt"], "c")]
    : [node("MatMul", ["a", "b"], "c")];
  const nodes = product.batch > 1 ? batched : plain;
  const graph = message(7, ...nodes, text(2, "product"), value(11, "a", a), value(11, "b", b), value(12, "c", c));
  return Uint8Array.from([...int(1, 8), ...graph, ...message(8, int(2, 13))]);
}
