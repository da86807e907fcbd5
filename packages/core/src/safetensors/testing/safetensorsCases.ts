import fc from "fast-check";
import {
  bytesSource,
  openSafetensors,
  type SafetensorsDType,
  SafetensorsError,
  type SafetensorsFile,
  type SafetensorsTensor,
} from "../index.ts";
import { safetensorsBits, safetensorsByteLength } from "../safetensorsDType.ts";

/** Makes a file of a header, as its text or as an object, and data. */
export function fileOf(header: unknown, data: ArrayLike<number> = []): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setUint32(0, json.length, true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  return file;
}

/** Opens a file from its bytes. */
export const open = (bytes: Uint8Array): Promise<SafetensorsFile> =>
  openSafetensors(bytesSource(bytes), "a.safetensors");

/** Returns the message of the SafetensorsError that `run` ends in. Throws where it ends otherwise. */
export async function failure(run: () => Promise<unknown>): Promise<string> {
  const error = await run().then(
    () => new Error("no error"),
    (reason: unknown) => reason,
  );
  if (error instanceof SafetensorsError) return error.message;
  throw error;
}

/** Distinctly named tensors of every dtype, with scalars and empty dimensions among them. */
export const tensorLists: fc.Arbitrary<SafetensorsTensor[]> = fc.uniqueArray(
  fc
    .record({
      name: fc.string({ unit: "binary", maxLength: 12 }).filter((name) => name !== "__metadata__"),
      dtype: fc.constantFrom(...(Object.keys(safetensorsBits) as SafetensorsDType[])),
      shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
      fill: fc.nat({ max: 255 }),
    })
    .filter(({ dtype, shape }) => !Number.isNaN(safetensorsByteLength(dtype, shape)))
    .map(({ fill, ...tensor }) => ({
      ...tensor,
      bytes: new Uint8Array(safetensorsByteLength(tensor.dtype, tensor.shape)).map((_, i) => fill + i * 7),
    })),
  { selector: (tensor) => tensor.name, maxLength: 8 },
);
/** Metadata of any texts, or none. */
export const metadatas: fc.Arbitrary<Record<string, string> | undefined> = fc.option(
  fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })),
  {
    nil: undefined,
  },
);
