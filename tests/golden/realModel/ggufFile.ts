import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";
import { blobSource } from "@lowrank/core";
import { type CausalLM, type GgufMetadataValue, openGguf } from "@lowrank/models";
import type { Check } from "../check/compare.ts";
import { type ExpectedGguf, readExpected } from "./expected.ts";

/** Returns the SHA-256 of bytes or of a text's UTF-8, in hexadecimal. */
export const sha256 = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

/** Checks that two values are equal as JSON. */
export function same(name: string, actual: unknown, expected: unknown): Check {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  return a === e ? { name } : { name, error: `${shorten(a)} instead of ${shorten(e)}` };
}

const shorten = (text = "nothing"): string => (text.length > 200 ? `${text.slice(0, 197)}...` : text);

/** Checks the file itself, every metadata key, and every tensor of the model that was loaded from it. */
export async function* ggufFile(dir: string, path: string, model: CausalLM): AsyncGenerator<Check> {
  const expected = readExpected<ExpectedGguf>(dir, "gguf");
  const blob = await openAsBlob(path);
  yield same("gguf bytes", blob.size, expected.bytes);
  yield same("gguf sha256", sha256(new Uint8Array(await blob.arrayBuffer())), expected.sha256);
  const { header, tensors } = await openGguf(blobSource(blob), path);

  const counts: Record<string, number> = {
    "GGUF.version": header.version,
    "GGUF.tensor_count": header.tensors.size,
    "GGUF.kv_count": header.metadata.size,
  };
  const metadata = expected.metadata.filter(({ key }) => !(key in counts));
  for (const { key, value } of expected.metadata) {
    if (key in counts) yield same(`gguf ${key}`, counts[key], value);
  }
  yield same(
    "gguf keys",
    [...header.metadata.keys()],
    metadata.map(({ key }) => key),
  );
  for (const entry of metadata)
    yield same(`gguf ${entry.key}`, described(header.metadata.get(entry.key)), wanted(entry));

  yield same(
    "gguf tensors",
    [...header.tensors.keys()],
    expected.tensors.map(({ name }) => name),
  );
  const parameters = new Map(model.namedParameters());
  for (const { name, hf, type, shape, bytes, offset, sha256: hash } of expected.tensors) {
    const info = header.tensors.get(name);
    const found = info && [info.type.name, info.shape, info.byteLength, info.offset];
    yield same(`gguf ${name}`, found, [type, shape, bytes, offset]);
    yield same(`gguf ${name} as ${hf}`, tensors.get(hf)?.layout.gguf, name);
    const parameter = parameters.get(hf);
    yield same(`gguf ${hf} sha256`, parameter && sha256(await parameter.bytes()), hash);
  }
}

function described(entry: GgufMetadataValue | undefined): unknown[] | undefined {
  if (!entry) return undefined;
  const { type, value } = entry;
  const long = Array.isArray(value) && value.length > 100;
  return long ? [type, value.length, sha256(value.join("\n"))] : [type, value];
}

function wanted({ type, value, length, sha256_joined }: ExpectedGguf["metadata"][number]): unknown[] {
  return sha256_joined === undefined ? [type, value] : [type, length, sha256_joined];
}
