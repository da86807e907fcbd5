import { bytesSource, init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel } from "../testing/tinyModel.ts";
import { torchBin } from "../testing/torchBin.ts";
import { join, zipOf } from "../testing/zip.ts";
import { readTorch } from "./readTorch.ts";

beforeAll(() => init(reference()));

const text = (value: string) => new TextEncoder().encode(value);
const unicode = (value: string) => join(Uint8Array.of(0x8c, value.length), text(value));
const global = (module: string, name: string) => text(`c${module}\n${name}\n`);
const op = (...bytes: number[]) => Uint8Array.of(...bytes);
const [mark, tuple, reduce, stop, persid] = [0x28, 0x74, 0x52, 0x2e, 0x51].map((code) => op(code));
const small = (value: number) => op(0x4b, value);
const tuple1 = (value: number) => join(small(value), op(0x85));

/** A storage of `count` elements. */
const storage = (type: string, count: number) =>
  join(mark, unicode("storage"), global("torch", type), unicode("0"), unicode("cpu"), small(count), tuple, persid);
/** The last arguments of most tensors: requires_grad is false, and no hooks. */
const plain: Uint8Array = op(0x89, 0x4e);
/** A vector in a storage. */
const vector = (of: Uint8Array, { offset = 0, size = 3, stride = 1, rest = plain } = {}) =>
  join(
    global("torch._utils", "_rebuild_tensor_v2"),
    join(mark, of, small(offset), tuple1(size), tuple1(stride), rest, tuple),
    reduce,
  );
/** The last arguments of a tensor with the negation flag, as `torch.save` writes it. */
const negated = join(op(0x89, 0x4e, 0x7d), unicode("neg"), op(0x88, 0x73));
/** A dictionary with one entry "x". */
const dictionary = (value: Uint8Array) => join(op(0x80, 2, 0x7d), unicode("x"), value, op(0x73), stop);
const numbers = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

async function read(pickle: Uint8Array, more: Record<string, Uint8Array> = {}, deflate = false) {
  const zip = await zipOf({ "m/data.pkl": pickle, "m/data/0": numbers, ...more }, deflate);
  return readTorch(bytesSource(zip), "m.bin");
}

test("archives that are deflated, as tools pack them again, read like those of torch.save", async () => {
  const pickle = dictionary(vector(storage("FloatStorage", 4), { offset: 1 }));
  for (const deflate of [false, true]) {
    const [{ name, dtype, shape, bytes }] = await read(pickle, { "m/byteorder": text("little") }, deflate);
    expect([name, dtype, shape, ...new Float32Array(bytes.slice().buffer)]).toEqual(["x", "F32", [3], 2, 3, 4]);
  }
});

test("what is not a tensor is refused by name, and nothing of it runs", async () => {
  const command = (callee: Uint8Array) => join(callee, join(mark, unicode("touch /tmp/x"), tuple), reduce);
  const refused: [Uint8Array, string][] = [
    [dictionary(command(global("os", "system"))), "it asks for os.system, which no tensor needs"],
    [dictionary(command(global("builtins", "eval"))), "it asks for builtins.eval"],
    [dictionary(command(join(unicode("posix"), unicode("system"), op(0x93)))), "it asks for posix.system"],
    [dictionary(command(global("torch._utils", "_rebuild_tensor_v3"))), "it asks for torch._utils._rebuild_tensor_v3"],
    [dictionary(join(op(0x8c, 1, 0x61), op(0x81))), "instruction 0x81"],
    [dictionary(op(0x69)), "instruction 0x69"],
    [dictionary(join(unicode("f"), op(0x29), reduce)), "does not call a function"],
    [dictionary(command(global("collections", "OrderedDict"))), "m.bin: x is not a tensor"],
    [dictionary(small(1)), "m.bin: x is not a tensor"],
    [dictionary(vector(small(5))), "storage of an unknown type"],
    [
      dictionary(vector(storage("FloatStorage", 4), { rest: negated })),
      "x is a lazy view (neg) of other values; save a clone of the tensor",
    ],
    [
      dictionary(vector(storage("FloatStorage", 4), { size: 4, offset: 1 })),
      "refers to element 4 of a storage with 4 elements",
    ],
    [dictionary(vector(storage("FloatStorage", 4), { stride: 2 })), "refers to element 4 of a storage with 4 elements"],
    [
      dictionary(vector(storage("FloatStorage", 4), { stride: 0, size: 200 })),
      "has 200 elements, but its storage only 4",
    ],
    [dictionary(vector(storage("ComplexFloatStorage", 4))), "it asks for torch.ComplexFloatStorage"],
    [join(op(0x80, 2), small(1), stop), "m.bin holds no dictionary of tensors"],
    [join(op(0x80, 2), op(0x7d), small(1), small(2), op(0x73), stop), "the key 1 must be a string"],
    [op(0x80, 2), "the pickle ends within a value"],
    [join(op(0x80, 2), stop), "a value is missing"],
    [join(op(0x68, 3), stop), "memo entry 3 is read before it is written"],
    [join(op(0x74), stop), "a MARK is missing"],
    [join(unicode("a"), small(1), small(1), op(0x73), stop), "belong to no dictionary"],
  ];
  for (const [pickle, message] of refused) await expect(read(pickle), message).rejects.toThrow(message);
});

/** A tensor with this shape and strides, in a storage of 4 elements. */
const shaped = (
  shape: number[],
  strides: number[],
  { offset = 0, kind = "storage", key = unicode("0"), rest = plain } = {},
) => {
  const list = (counts: number[]) =>
    join(mark, ...counts.map((n) => join(op(0x4a), new Uint8Array(Int32Array.of(n).buffer))), tuple);
  const data = join(mark, unicode(kind), global("torch", "FloatStorage"), key, unicode("cpu"), small(4), tuple, persid);
  const args = join(mark, data, list([offset]).slice(1, 6), list(shape), list(strides), rest, tuple);
  return dictionary(join(global("torch._utils", "_rebuild_tensor_v2"), args, reduce));
};

test("numbers are read in the order of shape and strides, as far as the storage goes", async () => {
  const values = async (...args: Parameters<typeof shaped>) => {
    const [{ shape, bytes }] = await read(shaped(...args));
    return [shape, [...new Float32Array(bytes.slice().buffer)]];
  };
  expect(await values([2, 2], [2, 1])).toEqual([
    [2, 2],
    [1, 2, 3, 4],
  ]);
  expect(await values([2, 2], [1, 2])).toEqual([
    [2, 2],
    [1, 3, 2, 4],
  ]);
  expect(await values([2, 1, 2], [2, 9, 1])).toEqual([
    [2, 1, 2],
    [1, 2, 3, 4],
  ]);
  expect(await values([1, 3], [7, 1], { offset: 1 })).toEqual([
    [1, 3],
    [2, 3, 4],
  ]);
  expect(await values([2, 2], [0, 1], { offset: 2 })).toEqual([
    [2, 2],
    [3, 4, 3, 4],
  ]);
  expect(await values([2], [2], { offset: 1 })).toEqual([[2], [2, 4]]);
  expect(await values([2, 2, 1], [1, 2, 1])).toEqual([
    [2, 2, 1],
    [1, 3, 2, 4],
  ]);
  expect(await values([], [], { offset: 3 })).toEqual([[], [4]]);
  expect(await values([0, 3], [3, 1], { offset: 4 })).toEqual([[0, 3], []]);
  const noMarks = join(plain, op(0x7d));
  expect(await values([1], [1], { rest: noMarks })).toEqual([[1], [1]]);
});

test("tensors that are described otherwise are refused", async () => {
  const unknown = "m.bin: x uses a storage of an unknown type";
  await expect(read(shaped([1], [1], { kind: "other" }))).rejects.toThrow(unknown);
  await expect(read(shaped([1], [1], { key: small(0) }))).rejects.toThrow(unknown);
  const counts = "m.bin: x lacks a tensor's offset, shape and strides";
  for (const args of [
    [[2, 2], [1]],
    [[-1], [1]],
    [[2], [-1]],
    [[1], [1], { offset: -1 }],
  ] as Parameters<typeof shaped>[]) {
    await expect(read(shaped(...args))).rejects.toThrow(counts);
  }
  const far = (last: number) => `m.bin: x refers to element ${last} of a storage with 4 elements; the file is damaged`;
  await expect(read(shaped([2, 2], [3, 1]))).rejects.toThrow(far(4));
  await expect(read(shaped([1], [1], { offset: 4 }))).rejects.toThrow(far(4));
  await expect(read(shaped([2, 3], [0, 1]))).rejects.toThrow("m.bin: x has 6 elements, but its storage only 4");
});

test("archives of another kind are refused", async () => {
  const pickle = dictionary(vector(storage("FloatStorage", 4)));
  await expect(read(pickle, { "m/byteorder": text("big") })).rejects.toThrow("m.bin has big-endian numbers");
  await expect(readTorch(bytesSource(pickle), "m.bin")).rejects.toThrow("is not a ZIP archive, as torch.save writes");
  const other = await zipOf({ "a/b.txt": text("x") });
  await expect(readTorch(bytesSource(other), "m.bin")).rejects.toThrow(
    "so torch.save did not write it; it contains a/b.txt",
  );
  const noData = await zipOf({ "m/data.pkl": pickle });
  await expect(readTorch(bytesSource(noData), "m.bin")).rejects.toThrow("m.bin holds no m/data/0");
});

test("streams that are broken, and sizes that lie, are refused", async () => {
  const pickle = dictionary(vector(storage("FloatStorage", 4)));
  const whole = await zipOf({ "m/data.pkl": pickle }, true);
  const broken = whole.slice();
  broken.fill(0xff, 30 + "m/data.pkl".length, 60);
  await expect(readTorch(bytesSource(broken), "m.bin")).rejects.toThrow(
    "m.bin: m/data.pkl is damaged: its bytes are no deflate stream; download it again",
  );
  const lying = whole.slice();
  const directory = whole.findIndex((_, i) => new DataView(whole.buffer, i).getUint32(0, true) === 0x02014b50);
  new DataView(lying.buffer).setUint32(directory + 24, 2 ** 31, true);
  await expect(readTorch(bytesSource(lying), "m.bin")).rejects.toThrow(
    "cannot have 2147483648 bytes, since its compressed data",
  );
});

test("an adapter of adapter_model.bin is the one of adapter_model.safetensors, in half precision too", async () => {
  const config = new LoraConfig({
    r: 2,
    initLoraWeights: false,
    targetModules: ["up", "down"],
    modulesToSave: ["norm"],
  });
  const peft = await getPeftModel(new TinyModel().eval(), config);
  for (const dtype of ["f32", "bf16"] as const) {
    const files = await peft.adapterFiles(["default"], { dtype });
    const binary = await torchBin(files.get("adapter_model.safetensors") as Uint8Array);
    const pickled = new Map([
      ["adapter_config.json", files.get("adapter_config.json")!],
      ["adapter_model.bin", binary],
    ]);
    const [one, other] = [files, pickled].map((from) => PeftModel.fromPretrained(new TinyModel().eval(), from));
    expect(await logitBits(await other)).toEqual(await logitBits(await one));
  }
});
