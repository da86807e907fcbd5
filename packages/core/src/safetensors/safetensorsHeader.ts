import { findDuplicateKey } from "./findDuplicateKey.ts";
import { type SafetensorsDType, safetensorsBits, safetensorsByteLength } from "./safetensorsDType.ts";
import { quoteJson, SafetensorsError } from "./safetensorsError.ts";

/**
 * The entry of a tensor in the header. Its values are the bytes `begin` to `end` (excluded) of the data after the
 * header.
 */
export interface SafetensorsEntry {
  dtype: SafetensorsDType;
  shape: readonly number[];
  begin: number;
  end: number;
}

/**
 * A parsed header. `tensors` lists the tensors in the order of their data. The tensors cover the data after the header
 * without gaps or overlaps.
 */
export interface SafetensorsHeader {
  metadata: Readonly<Record<string, string>>;
  tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** The longest header, in bytes, that Hugging Face's library accepts. */
export const maxHeaderLength = 100_000_000;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseJson(bytes: Uint8Array, label: string): Record<string, unknown> {
  let value: unknown;
  let duplicate: string | undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
    duplicate = findDuplicateKey(text);
  } catch (error) {
    throw new SafetensorsError(
      `${label}: the header is not valid JSON in UTF-8 (${(error as Error).message}); the file is damaged or not safetensors`,
      { cause: error },
    );
  }
  if (!isRecord(value))
    throw new SafetensorsError(`${label}: the header is ${quoteJson(value)} and must be a JSON object`);
  if (duplicate !== undefined) {
    throw new SafetensorsError(`${label}: the header names ${quoteJson(duplicate)} twice; write the file again`);
  }
  return value;
}

function checkMetadata(value: unknown, label: string): Record<string, string> {
  if (!isRecord(value)) {
    throw new SafetensorsError(`${label}: __metadata__ is ${quoteJson(value)} and must be an object of strings`);
  }
  for (const [key, item] of Object.entries(value)) {
    if (typeof item !== "string") {
      throw new SafetensorsError(
        `${label}: __metadata__ holds ${quoteJson(item)} for ${quoteJson(key)}; values are strings`,
      );
    }
  }
  return value as Record<string, string>;
}

/** Checks a tensor's entry in the JSON header. `named` returns the tensor's name for error messages. */
function checkEntry(value: unknown, named: () => string, dataLength: number): SafetensorsEntry {
  if (!isRecord(value)) {
    throw new SafetensorsError(
      `${named()} is described by ${quoteJson(value)}; it needs dtype, shape and data_offsets`,
    );
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(safetensorsBits, dtype)) {
    const known = Object.keys(safetensorsBits).join(", ");
    throw new SafetensorsError(`${named()} has the unknown dtype ${quoteJson(dtype)}; the format knows ${known}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw new SafetensorsError(`${named()} has the shape ${quoteJson(shape)}; sizes are integers of at least 0`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1]) {
    throw new SafetensorsError(
      `${named()} has the data_offsets ${quoteJson(offsets)}; they must be [begin, end], begin <= end`,
    );
  }
  const [begin, end] = offsets as [number, number];
  const bytes = safetensorsByteLength(dtype as SafetensorsDType, shape);
  if (bytes !== end - begin) {
    const size = Number.isNaN(bytes) ? "no countable number of" : bytes;
    throw new SafetensorsError(
      `${named()}, ${dtype} of shape ${quoteJson(shape)}, takes ${size} bytes, but data_offsets [${begin},${end}] hold ${end - begin}`,
    );
  }
  if (end > dataLength) {
    throw new SafetensorsError(
      `${named()} ends at byte ${end} of the data, but the file holds only ${dataLength}; it is cut off: download or copy it again`,
    );
  }
  return { dtype: dtype as SafetensorsDType, shape, begin, end };
}

/**
 * Parses the JSON header of a safetensors file. Throws `SafetensorsError` if types or sizes are invalid, or if the
 * tensors do not cover each of the `dataLength` bytes after the header exactly once. `label` names the file in
 * messages.
 */
export function parseSafetensorsHeader(json: Uint8Array, dataLength: number, label = "safetensors"): SafetensorsHeader {
  const { __metadata__, ...described } = parseJson(json, label);
  // MLX writes null for missing metadata.
  const metadata = checkMetadata(__metadata__ ?? {}, label);
  const entries = Object.entries(described).map(
    ([name, value]) => [name, checkEntry(value, () => `${label}: tensor ${quoteJson(name)}`, dataLength)] as const,
  );
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  let before: string | null = null;
  for (const [name, { begin, end }] of entries) {
    if (begin !== covered) {
      const previous = before === null ? "the header" : `tensor ${quoteJson(before)}`;
      const problem =
        begin < covered ? `overlaps ${previous}, which ends` : `leaves a gap after ${previous}, which ends`;
      throw new SafetensorsError(
        `${label}: tensor ${quoteJson(name)} at bytes [${begin},${end}] ${problem} at byte ${covered}; write the file again`,
      );
    }
    covered = end;
    before = name;
  }
  if (covered !== dataLength) {
    throw new SafetensorsError(
      `${label}: the tensors cover ${covered} bytes, but ${dataLength} follow the header; the file is damaged: write or download it again`,
    );
  }
  return { metadata, tensors: new Map(entries) };
}
