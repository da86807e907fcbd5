import {
  type ByteSource,
  fromBytes,
  Generator,
  init,
  openSafetensors,
  randn,
  reference,
  to,
  writeSafetensors,
} from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { safetensorsWeights } from "./modelWeights.ts";

beforeAll(() => init(reference()));

/** A tensor larger than the read buffer, and small ones. */
const tensors = async () => {
  const draw = (shape: number[], seed: number) => randn(shape, { generator: new Generator(seed) });
  const large = to(draw([3, 1 << 20], 1), { dtype: "bf16" });
  const small = draw([5], 2);
  return [
    { name: "large", tensor: large },
    { name: "small", tensor: small },
  ];
};

/** A file that reads into given arrays, asynchronously. */
async function fileOf(list: Awaited<ReturnType<typeof tensors>>) {
  const entries = await Promise.all(
    list.map(async ({ name, tensor: { shape, dtype }, tensor }) => ({
      ...{ name, shape, dtype: dtype as "f32" },
      bytes: await tensor.bytes(),
    })),
  );
  const bytes = writeSafetensors(entries);
  const source: ByteSource = {
    size: bytes.length,
    read: async (offset, length) => bytes.slice(offset, offset + length),
    readInto: async (offset, room) => {
      room.set(bytes.subarray(offset, offset + room.length));
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
  };
  return openSafetensors(source, "a.safetensors");
}

test.each(["auto", "f32", "f16"] as const)("tensors of a file as %s, also read at the same time", async (dtype) => {
  const list = await tensors();
  const weights = safetensorsWeights(await fileOf(list), dtype);
  expect(weights.names().sort()).toEqual(["large", "small"]);
  const read = await Promise.all(list.map(({ name }) => weights.read(name)));
  for (const [i, { name, tensor }] of list.entries()) {
    const wanted = dtype === "auto" ? tensor.dtype : dtype;
    expect([name, read[i].dtype, read[i].shape]).toEqual([name, wanted, tensor.shape]);
    const expected = await to(tensor, { dtype: wanted }).bytes();
    // Compare as digests, since a failure would print millions of numbers.
    expect(await digest(await read[i].bytes()), name).toBe(await digest(expected));
    expect(await digest(await (await weights.read(name)).bytes()), name).toBe(await digest(expected));
  }
});

test("integers are no weights", async () => {
  const ids = fromBytes(new Uint8Array(Int32Array.of(7, -2).buffer), [2], "i32");
  const weights = safetensorsWeights(await fileOf([{ name: "ids", tensor: ids }]), "auto");
  await expect(weights.read("ids")).rejects.toThrow('a.safetensors: "ids" is I32, not F32, F16, BF16');
});

async function digest(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
