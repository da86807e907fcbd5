import {
  copyInto,
  type DType,
  fromBytes,
  noGrad,
  type OnProgress,
  type SafetensorsData,
  type SafetensorsFile,
  type SafetensorsSpec,
  type SafetensorsTensor,
  scope,
  type Tensor,
  tensor as tensorOf,
  to,
  writeSafetensors,
  yieldIfDue,
} from "@lowrank/core";
import { checkFinite } from "@lowrank/core/internal";
import type { PeftConfig } from "../config/peftConfig.ts";
import { encodeParts, type FileForm, readParts } from "../methods/shared/fileForm.ts";
import { type AnyMethod, fileFormOf } from "../methods/shared/method.ts";
import type { MethodFacts } from "../methods/shared/methodFacts.ts";
import type { Adapter } from "../model/adapter/adapter.ts";
import { adapterFileNames } from "../source/openAdapter.ts";
import { configJson } from "./configFile.ts";
import { modelCard } from "./modelCard.ts";

export {
  type AdapterSource,
  adapterFileNames,
  type OpenSourceOptions,
  openSource,
  openWeights,
} from "../source/openAdapter.ts";

/** The metadata that PEFT writes into the header of adapter_model.safetensors. */
export const safetensorsMetadata = { format: "pt" } as const;

/**
 * Returns the safetensors metadata for a method's adapters. Undefined for methods with a folder layout other than
 * PEFT's.
 */
export function weightsMetadata({ layout }: AnyMethod): Readonly<Record<string, string>> | undefined {
  return layout ? undefined : safetensorsMetadata;
}

/**
 * Keys at which an adapter's file does not match the adapter on the model: tensors that the file lacks, unexpected
 * tensors, and tensors with another shape.
 */
export interface KeyMismatch {
  missing: string[];
  unexpected: string[];
  misshaped: string[];
}

/** Compares a file's keys and shapes with the tensors that it must contain. `optional` tensors may be missing. */
export function compareKeys(
  file: SafetensorsFile,
  specs: readonly SafetensorsSpec[],
  optional: ReadonlyMap<string, Tensor>,
): KeyMismatch {
  const misshaped: string[] = [];
  const expected = new Map<string, { shape: readonly number[] }>(specs.map((spec) => [spec.name, spec]));
  for (const [key, { shape }] of [...expected, ...optional]) {
    if (file.has(key) && file.info(key).shape.join() !== shape.join()) {
      misshaped.push(`${key} is [${file.info(key).shape}] in the file, [${shape}] here`);
    }
  }
  return {
    missing: [...expected.keys()].filter((key) => !file.has(key)),
    unexpected: file.names().filter((key) => !expected.has(key) && !optional.has(key)),
    misshaped,
  };
}

/**
 * Maximum number of keys of each kind that an error message lists. A file for another model has hundreds of wrong keys.
 */
const mostNamed = 8;

/** Describes a mismatch in a sentence, or returns null if there is none. */
export function describeMismatch(label: string, { missing, unexpected, misshaped }: KeyMismatch): string | null {
  const part = (what: string, keys: readonly string[]) => {
    const more = keys.length - mostNamed;
    const rest = more > 0 ? `, and ${more} more` : "";
    return keys.length > 0 ? [`${what}: ${keys.slice(0, mostNamed).join(", ")}${rest}`] : [];
  };
  const parts = [
    ...part("missing", missing),
    ...part("unexpected", unexpected),
    ...part("of another shape", misshaped),
  ];
  return parts.length > 0 ? `${label} does not fit this model and its adapter_config.json; ${parts.join("; ")}` : null;
}

/**
 * Reads tensor `key` of the file. Converts it to the dtype of `like` and stores it on the same backend. The caller
 * frees the result.
 */
export async function readTensor(file: SafetensorsFile, key: string, like: Tensor): Promise<Tensor> {
  const stored = await file.read(key);
  return scope(() => asStored(stored, like));
}

function asStored({ bytes, shape, dtype }: SafetensorsData, like: Tensor): Tensor {
  const stored = fromBytes(bytes, shape, dtype, like.storage.backend);
  return dtype === like.dtype ? stored : to(stored, { dtype: like.dtype });
}

function asTensor(numbers: Float32Array | Int32Array, { shape, storage }: Tensor): Tensor {
  return tensorOf(numbers, { shape, backend: storage.backend });
}

/**
 * Reads values from a file into tensors, and converts them to the tensors' dtypes. Tensors that the file lacks are
 * unchanged.
 */
export async function readInto(
  file: SafetensorsFile,
  tensors: ReadonlyMap<string, Tensor>,
  form: FileForm | null,
  { onProgress, signal }: { onProgress?: OnProgress; signal?: AbortSignal } = {},
): Promise<void> {
  const bytesOf = (names: readonly string[]) => names.reduce((sum, name) => sum + file.info(name).byteLength, 0);
  const found = [...tensors].flatMap(([key, tensor]) => {
    const parts = form?.parts(key, tensor) ?? null;
    const names = parts ? parts.map(({ name }) => name) : [key];
    return names.every((name) => file.has(name)) ? [{ key, tensor, parts, bytes: bytesOf(names) }] : [];
  });
  const total = found.reduce((sum, { bytes }) => sum + bytes, 0);
  let loaded = 0;
  for (const { key, tensor, parts, bytes } of found) {
    const value = form && parts ? await readParts(file, parts, tensor, form) : await file.read(key);
    // In a scope, so that values are freed at once instead of by the garbage collector.
    noGrad(() =>
      scope(() => copyInto(tensor, ArrayBuffer.isView(value) ? asTensor(value, tensor) : asStored(value, tensor))),
    );
    loaded += bytes;
    onProgress?.({ loaded, total, name: key });
    await yieldIfDue(signal);
  }
}

/**
 * Reads the embedding tables that a file contains and compares them with `tables`, the base model's tables. Returns, by
 * key, only the file's tables that differ. The caller frees the returned tables.
 */
export async function differingTables(
  file: SafetensorsFile,
  tables: ReadonlyMap<string, Tensor>,
): Promise<Map<string, Tensor>> {
  const differing = new Map<string, Tensor>();
  for (const [key, table] of tables) {
    // A model that has only shapes keeps its own tables.
    if (!file.has(key) || table.storage.backend.dataless) continue;
    const own = await readTensor(file, key, table);
    const [a, b] = [await own.bytes(), await table.bytes()];
    if (a.some((byte, i) => byte !== b[i])) differing.set(key, own);
    else own.dispose();
  }
  return differing;
}

/**
 * Converts a tensor to the dtype in which it is saved. The caller frees the result. Throws, with the tensor's name, if
 * a value is too large for that dtype.
 */
async function asSaved(name: string, tensor: Tensor, dtype: DType): Promise<Tensor> {
  if (tensor.dtype === dtype) return tensor.detach();
  const saved = to(tensor.detach(), { dtype });
  const [before, after] = [await tensor.data(), await saved.data()];
  const lost = after.findIndex((x, i) => !Number.isFinite(x) && Number.isFinite(before[i]));
  if (lost < 0) return saved;
  saved.dispose();
  throw new Error(
    `saving as ${dtype}: ${name} holds ${before[lost]}, which is outside the range of ${dtype}; save as bf16 or f32`,
  );
}

/** Converts I32 values to I64. */
function widened(bytes: Uint8Array): Uint8Array {
  const values = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
}

/**
 * Returns the contents of an adapter's files by name, byte for byte as PEFT or AdapterHub writes them. `dtypeOf` gives
 * each tensor's dtype. Throws, with the key, if a tensor contains NaN or infinity.
 */
export async function adapterContents(
  adapter: Pick<Adapter, "method" | "config">,
  trained: ReadonlyMap<string, Tensor>,
  kept: ReadonlyMap<string, Tensor>,
  dtypeOf: (key: string) => DType,
): Promise<Map<string, Uint8Array | string>> {
  const entries: SafetensorsTensor[] = [];
  const form = fileFormOf(adapter.method, adapter.config);
  for (const [name, tensor] of [...trained, ...kept]) {
    const parts = form?.parts(name, tensor);
    if (form && parts) {
      entries.push(...(await encodeParts(parts, tensor, form)));
      continue;
    }
    using saved = await asSaved(name, tensor, dtypeOf(name));
    const { dtype, shape } = saved;
    const bytes = await saved.bytes();
    const wide = dtype === "i32" && (adapter.method as MethodFacts<PeftConfig>).integersInFiles === "I64";
    entries.push(wide ? { name, dtype: "I64", shape, bytes: widened(bytes) } : { name, dtype, shape, bytes });
    await yieldIfDue();
  }
  for (const { name, bytes, dtype } of entries) checkFinite(name, bytes, dtype);
  const { method, config } = adapter;
  const { layout }: MethodFacts<PeftConfig> = method;
  const weights = writeSafetensors(entries, weightsMetadata(method));
  if (layout) {
    return new Map<string, Uint8Array | string>([
      [adapterFileNames.config, layout.configJson(config)],
      [layout.weights, weights],
    ]);
  }
  return new Map<string, Uint8Array | string>([
    [adapterFileNames.config, configJson(method, config)],
    [adapterFileNames.weights, weights],
    [adapterFileNames.card, modelCard(config)],
  ]);
}
