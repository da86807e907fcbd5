import type { ByteSource } from "@lowrank/core";
import type { GgmlType } from "./ggmlType.ts";
import { ggmlTypes } from "./ggmlTypes.ts";
import { readStrings } from "./readStrings.ts";
import { ggufValueTypes } from "./valueTypes.ts";

/** A metadata value as a GGUF file holds it. */
export interface GgufMetadataValue {
  /** gguf-py's name of its type, such as UINT32; of a list, ARRAY/ and that of its items. */
  readonly type: string;
  /** A text, number, truth value or list; a 64-bit integer beyond 2^53 is a bigint. */
  readonly value: unknown;
}

/** A tensor of a GGUF file. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly type: GgmlType;
  /** [..., rows, columns], as torch has it; the file lists sizes the other way round. */
  readonly shape: readonly number[];
  /** Where its blocks begin, from the start of the file, and the bytes they take. */
  readonly offset: number;
  readonly byteLength: number;
}

/** What stands before the tensors' data. */
export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufMetadataValue>;
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
}

/**
 * Reads the metadata and the table of tensors of a GGUF file (version 2 or 3, little-endian), by @huggingface/gguf; no
 * tensor data. Throws where the file is none, is cut off, or holds a tensor of a type that cannot be read.
 */
export async function readGguf(source: ByteSource, label: string): Promise<GgufHeader> {
  const { gguf, GGMLQuantizationType } = await import("@huggingface/gguf");
  const parsed = await gguf("http://gguf.invalid/", { fetch: fetchFrom(source), typedMetadata: true }).catch(
    (error: Error) => {
      throw new Error(`${label} cannot be read as GGUF: ${error.message}`, { cause: error });
    },
  );
  const { typedMetadata, tensorInfos, littleEndian, tensorInfoByteRange, tensorDataOffset } = parsed;
  const version = Number(typedMetadata.version.value);
  if (!littleEndian || version < 2) {
    const what = littleEndian ? `version ${version}` : "big-endian";
    throw new Error(`${label} is ${what} GGUF; convert the model again with a current llama.cpp`);
  }
  const [metadataEnd, headerEnd] = tensorInfoByteRange;
  if (headerEnd > source.size) {
    throw new Error(`${label} ends at byte ${source.size}, within its header; it is cut off: download it again`);
  }
  const strings = readStrings(await source.read(0, metadataEnd), 24, Number(typedMetadata.kv_count.value));
  const { version: _, tensor_count: __, kv_count: ___, ...entries } = typedMetadata;
  const metadata = new Map(
    Object.entries(entries).map(([key, { type, subType, value }]): [string, GgufMetadataValue] => {
      const name = ggufValueTypes[type];
      const full = subType === undefined ? name : `${name}/${ggufValueTypes[subType]}`;
      return [key, { type: full, value: strings.get(key) ?? plain(value) }];
    }),
  );

  const tensors = new Map<string, GgufTensorInfo>();
  for (const { name, dtype, shape, offset } of tensorInfos) {
    if (tensors.has(name)) throw new Error(`${label} holds two tensors named "${name}"`);
    const type = ggmlTypes.get(dtype);
    if (!type) {
      const readable = Array.from(ggmlTypes.values(), (known) => known.name).join(", ");
      throw new Error(
        `${label}: "${name}" is ${GGMLQuantizationType[dtype] ?? `of type ${dtype}`}; only ${readable} can be read: take another quantisation of the model`,
      );
    }
    const info = locate(name, type, shape.map(Number).reverse(), Number(tensorDataOffset + offset), label);
    if (info.offset + info.byteLength > source.size) {
      throw new Error(
        `${label} ends at byte ${source.size}, before the end of "${name}"; it is cut off: download it again`,
      );
    }
    tensors.set(name, info);
  }
  return { version, metadata, tensors };
}

function locate(name: string, type: GgmlType, shape: number[], offset: number, label: string): GgufTensorInfo {
  const columns = shape.at(-1) ?? 1;
  if (columns % type.block.elements !== 0) {
    throw new Error(
      `${label}: "${name}" is [${shape}]; rows of ${type.name} must be whole blocks of ${type.block.elements}`,
    );
  }
  const size = shape.reduce((product, n) => product * n, 1);
  return { name, type, shape, offset, byteLength: (size / type.block.elements) * type.block.bytes };
}

/** 64-bit integers as numbers, where they are exact. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "bigint") return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/**
 * Answers the library's Range requests from `source`; beyond its end with nothing, which reads as zeros. Not with a Response
 * of Node's, which would load its HTTP client: 10 MB.
 */
function fetchFrom(source: ByteSource): typeof fetch {
  return async (_address, init) => {
    const { headers } = init as { headers: Record<string, string> };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.Range) as RegExpExecArray;
    const start = Math.min(Number(from), source.size);
    const bytes = await source.read(start, Math.min(Number(to) + 1, source.size) - start);
    const contentRange = `bytes ${from}-${start + bytes.length - 1}/${source.size}`;
    const answer: Pick<Response, "arrayBuffer"> & { headers: Pick<Headers, "get"> } = {
      headers: { get: (name) => (name.toLowerCase() === "content-range" ? contentRange : null) },
      arrayBuffer: async () => bytes.slice().buffer,
    };
    return answer as Response;
  };
}
