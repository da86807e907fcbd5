// The few protobuf messages of onnx.proto that a model of one node needs.

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

/** The bytes of an ONNX model c = a * b, or a * bᵀ, of n x n floats, as one Gemm node. */
export function gemmModel(n: number, transB: boolean): Uint8Array {
  const float32 = 1;
  const attributeInt = 2;
  const dimension = message(1, int(1, n));
  const type = message(1, int(1, float32), message(2, dimension, dimension));
  const value = (field: number, name: string) => message(field, text(1, name), message(2, type));
  const attribute = message(5, text(1, "transB"), int(3, Number(transB)), int(20, attributeInt));
  const node = message(1, text(1, "a"), text(1, "b"), text(2, "c"), text(4, "Gemm"), attribute);
  const graph = message(7, node, text(2, "gemm"), value(11, "a"), value(11, "b"), value(12, "c"));
  return Uint8Array.from([...int(1, 8), ...graph, ...message(8, int(2, 13))]);
}
