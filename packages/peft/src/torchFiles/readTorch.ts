import { type ByteSource, type SafetensorsDType, type SafetensorsTensor, sizeOf } from "@lowrank/core";
import { Call, Global, type Pickled, Storage, unpickle } from "./unpickle.ts";
import { ZipFile } from "./zip.ts";

/** PyTorch's storage types: the safetensors dtype and the bytes per element of each. */
const storages: Readonly<Record<string, readonly [dtype: SafetensorsDType, width: number]>> = {
  "torch.FloatStorage": ["F32", 4],
  "torch.HalfStorage": ["F16", 2],
  "torch.BFloat16Storage": ["BF16", 2],
  "torch.DoubleStorage": ["F64", 8],
  "torch.LongStorage": ["I64", 8],
  "torch.IntStorage": ["I32", 4],
  "torch.ShortStorage": ["I16", 2],
  "torch.CharStorage": ["I8", 1],
  "torch.ByteStorage": ["U8", 1],
  "torch.BoolStorage": ["BOOL", 1],
};

const rebuildTensor = "torch._utils._rebuild_tensor_v2";
const rebuildParameter = "torch._utils._rebuild_parameter";
const allowed = new Set([...Object.keys(storages), rebuildTensor, rebuildParameter, "collections.OrderedDict"]);

/**
 * Reads the tensors of a dictionary that `torch.save` wrote. Parses the pickle in the archive without running code;
 * anything but tensors throws an error that names it.
 */
export async function readTorch(source: ByteSource, label: string): Promise<SafetensorsTensor[]> {
  const zip = await ZipFile.open(source, label);
  const pickle = zip.names().find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (!pickle)
    throw new Error(`${label} has no data.pkl, so torch.save did not write it; it contains ${zip.names().join(", ")}`);
  const folder = pickle.slice(0, -"data.pkl".length);
  await checkByteOrder(zip, `${folder}byteorder`);
  const saved = unpickle(await zip.read(pickle), (name) => allowed.has(name), label);
  if (!(saved instanceof Map)) throw new Error(`${label} holds no dictionary of tensors`);
  const tensors: SafetensorsTensor[] = [];
  const read = new Map<string, Promise<Uint8Array>>();
  for (const [name, value] of saved) {
    if (typeof name !== "string") throw new Error(`${label}: the key ${JSON.stringify(name)} must be a string`);
    const place = `${label}: ${name}`;
    const { key, dtype, ...layout } = describe(value, place);
    if (!read.has(key)) read.set(key, zip.read(`${folder}data/${key}`));
    const bytes = gather((await read.get(key)) as Uint8Array, layout, place);
    tensors.push({ name, dtype, shape: layout.shape, bytes });
  }
  return tensors;
}

async function checkByteOrder(zip: ZipFile, name: string): Promise<void> {
  const order = zip.has(name) ? new TextDecoder().decode(await zip.read(name)) : "little";
  if (order !== "little")
    throw new Error(`${zip.label} has ${order}-endian numbers; save it on a little-endian machine`);
}

/** Position of a tensor's elements in its storage. Offset and strides are counted in elements. */
interface Layout {
  offset: number;
  shape: number[];
  strides: number[];
  /** Bytes per element. */
  width: number;
}

function describe(value: Pickled, what: string): Layout & { key: string; dtype: SafetensorsDType } {
  if (value instanceof Call && value.name === rebuildParameter) return describe(value.args[0], what);
  if (!(value instanceof Call) || value.name !== rebuildTensor) {
    throw new Error(`${what} is not a tensor; the file must contain a dictionary of tensors only`);
  }
  const [storage, offset, shape, strides, _grad, _hooks, marks] = value.args;
  if (marks instanceof Map && marks.size > 0) {
    throw new Error(
      `${what} is a lazy view (${[...marks.keys()].join(", ")}) of other values; save a clone of the tensor`,
    );
  }
  const [kind, type, key] = storage instanceof Storage ? storage.id : [];
  const numbers = type instanceof Global ? storages[type.name] : undefined;
  if (kind !== "storage" || numbers === undefined || typeof key !== "string") {
    throw new Error(`${what} uses a storage of an unknown type`);
  }
  const counts = [offset, shape, strides].flat();
  if (!Array.isArray(shape) || !Array.isArray(strides) || shape.length !== strides.length || !counts.every(isCount)) {
    throw new Error(`${what} lacks a tensor's offset, shape and strides`);
  }
  const [dtype, width] = numbers;
  return { key, dtype, width, offset: offset as number, shape: shape as number[], strides: strides as number[] };
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Returns a tensor's elements in row-major order. */
function gather(data: Uint8Array, { offset, shape, strides, width }: Layout, what: string): Uint8Array {
  const size = sizeOf(shape);
  const last = shape.reduce((at, n, dim) => at + (n - 1) * strides[dim], offset);
  const stored = Math.floor(data.length / width);
  if (size > 0 && last >= stored)
    throw new Error(`${what} refers to element ${last} of a storage with ${stored} elements; the file is damaged`);
  if (size > stored)
    throw new Error(
      `${what} has ${size} elements, but its storage only ${stored}; save a contiguous copy of the tensor`,
    );
  if (isRowMajor(shape, strides)) return data.subarray(offset * width, (offset + size) * width);
  const out = new Uint8Array(size * width);
  const index = shape.map(() => 0);
  let from = offset;
  for (let i = 0; i < size; i++) {
    out.set(data.subarray(from * width, (from + 1) * width), i * width);
    for (let dim = shape.length - 1; dim >= 0; dim--) {
      from += strides[dim];
      if (++index[dim] < shape[dim]) break;
      from -= shape[dim] * strides[dim];
      index[dim] = 0;
    }
  }
  return out;
}

function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  return shape.every((n, dim) => n === 1 || strides[dim] === sizeOf(shape.slice(dim + 1)));
}
