import {
  type BlockDType,
  bf16ToF32,
  blockFormats,
  f16ToF32,
  type SafetensorsData,
  type SafetensorsFile,
  sizeOf,
} from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type ModelFiles, readJson } from "@lowrank/files";
import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { GgufForm, TensorLayout } from "../../gguf/ggufForm.ts";
import { notInGguf } from "../../gguf/ggufValues.ts";
import { inFileOrder, transpose } from "../../gguf/headRows.ts";
import { type TokenizerJson, tokenizerMetadata } from "../../gguf/tokenizer/tokenizerMetadata.ts";
import { encodeRows } from "../../gguf/types/encodeRows.ts";
import { encodeBlocks, encodedLength, encodings, type GgufEncoding } from "../../gguf/types/ggmlTypes.ts";
import type { GgufContents, GgufTensor, GgufValue } from "../../gguf/writeGguf.ts";
import { readModelConfig } from "../../registry/configs/readModelConfig.ts";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { openWeights } from "../openWeights.ts";
import { readQuantizationConfig } from "../quantization/readQuantizationConfig.ts";
import { configMetadata, fileShape, ggufFormOf, tensorLayouts } from "./tensorLayout.ts";

/** Options of `toGguf`. */
export interface ToGgufOptions {
  /**
   * The dtype of the matrices. Vectors and position embeddings are always f32. Default f16, as in llama.cpp's
   * converter.
   */
  dtype?: GgufDType;
  /** The model's name, stored in the file. */
  name?: string;
}

/** A dtype for the matrices of a whole model. */
export type GgufDType = "f32" | "f16" | "bf16" | BlockDType;

/** llama.cpp's `general.file_type` values for files whose matrices are mostly of one type. */
const fileTypes = new Map<GgufDType, number>([
  ["f32", 0],
  ["f16", 1],
  ["bf16", 32],
  ...Object.values(blockFormats).map(({ dtype, gguf }) => [dtype, gguf.file] as const),
]);

/** All values of `GgufDType`. */
export const ggufDTypes: readonly GgufDType[] = [...fileTypes.keys()];

/** The contents of a converted file, with notes for the user. */
export interface GgufConversion extends GgufContents {
  notes: string[];
}

/**
 * Converts a Hugging Face folder to the contents of a GGUF file for llama.cpp. `writeGguf` then reads and encodes one
 * tensor at a time. For dtypes below 8 bits, the output layer (or the tied embedding) is q8_0, or q6_k for K-block
 * dtypes. A matrix whose row length is not a multiple of the dtype's block size gets another type, as in llama.cpp. For
 * K-block dtypes it is q5_0, q5_1 or q8_0. For other dtypes, and if the row length does not fit that type either, it is
 * f16. The result has notes on these matrices. Throws if a tensor is missing, unexpected or has the wrong shape, and
 * for a config that GGUF cannot store.
 */
export async function toGguf(files: ModelFiles, options: ToGgufOptions = {}): Promise<GgufConversion> {
  checkOptions("toGguf", options, { dtype: true, name: true });
  const { dtype = "f16", name } = options;
  const config = await readModelConfig(files);
  if (await readQuantizationConfig(files)) {
    throw new Error(
      `${files.label} has 4-bit weights of bitsandbytes, which cannot be converted; save a dequantised copy first, with loadModel, dequantize and saveModel`,
    );
  }
  const settings = await configMetadata(config);
  const weights = await openWeights(files, config);
  const layouts = await tensorLayouts(config);
  checkTensors(weights, layouts, config);
  const form = await ggufFormOf(config);
  if (form.alwaysTied && !config.tieWordEmbeddings) {
    throw notInGguf("tie_word_embeddings", false, `true for a ${config.modelType}`);
  }
  if (form.neverTied && config.tieWordEmbeddings) {
    throw notInGguf("tie_word_embeddings", true, `false for a ${config.modelType}`);
  }
  const notes = [...(form.notes?.(config) ?? [])];
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", { type: "string", value: form.architecture }],
    ["general.type", { type: "string", value: "model" }],
    ...(name ? [["general.name", { type: "string", value: name }] as const] : []),
    ["general.file_type", { type: "u32", value: fileTypes.get(dtype)! }],
    ["general.quantization_version", { type: "u32", value: 2 }],
    ...settings,
    ...(await tokenizerEntries(files, config, form, notes)),
  ]);
  // The layouts of tensors that GGUF stacks are adjacent, so each group is complete.
  const tensors = [...Map.groupBy(layouts, ({ gguf }) => gguf).values()].map((parts) =>
    convert(weights, parts, chooseType(parts[0], upperCase(dtype), config)),
  );
  notes.push(...otherTypes(layouts, upperCase(dtype), config));
  return { metadata, tensors: [...tensors, ...ropeFactors(form, config)], notes };
}

const upperCase = (dtype: GgufDType): GgufEncoding => dtype.toUpperCase() as Uppercase<GgufDType>;

function checkTensors(weights: SafetensorsFile, layouts: TensorLayout[], config: ModelConfig): void {
  const expected = new Map(layouts.map((layout) => [layout.hf, layout.shape]));
  const unexpected = weights.names().filter((name) => !expected.has(name));
  if (unexpected.length > 0) {
    throw new Error(
      `${weights.label}: ${unexpected.length} tensors are not part of the ${config.modelType} model that config.json describes: ${unexpected.slice(0, 5).join(", ")}; use the config.json of these weights`,
    );
  }
  for (const [name, shape] of expected) {
    if (!weights.has(name)) {
      throw new Error(`${weights.label}: the tensor "${name}" is missing; use the config.json of these weights`);
    }
    const found = weights.info(name);
    if (found.shape.join() !== shape.join()) {
      throw new Error(`${weights.label}: "${name}" is [${found.shape}]; config.json requires [${shape}]`);
    }
    if (!["F32", "F16", "BF16"].includes(found.dtype)) {
      throw new Error(`${weights.label}: "${name}" is ${found.dtype}; only F32, F16 and BF16 weights can be converted`);
    }
  }
}

/** Returns one tensor of the GGUF file, made from one tensor of the folder or from several that GGUF stacks. */
function convert(weights: SafetensorsFile, layouts: readonly TensorLayout[], type: GgufEncoding): GgufTensor {
  const [first] = layouts;
  const shape = fileShape(first);
  const read = async () => {
    if (layouts.length === 1) return await encode(weights, first, type);
    const all = new Uint8Array(encodedLength(type, sizeOf(shape)));
    for (const [i, layout] of layouts.entries()) {
      all.set(await encode(weights, layout, type), (i * all.length) / layouts.length);
    }
    return all;
  };
  return { name: first.gguf, type, shape, read };
}

async function encode(weights: SafetensorsFile, layout: TensorLayout, type: GgufEncoding): Promise<Uint8Array> {
  const stored = asF32(await weights.read(layout.hf));
  const turned = layout.transposed ? transpose(stored, layout.shape[0], layout.shape[1]) : stored;
  const blocks = await encodeRows(type, plus(turned, layout.plus), `${weights.label}: "${layout.hf}"`);
  return inFileOrder(blocks, layout.shape[0], layout);
}

/** Adds `more` to each value. */
function plus(values: Float32Array, more = 0): Float32Array {
  return more === 0 ? values : values.map((value) => value + more);
}

function asF32({ dtype, bytes }: SafetensorsData): Float32Array {
  if (dtype === "f32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const codes = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const values = new Float32Array(codes.length);
  (dtype === "f16" ? f16ToF32 : bf16ToF32)(codes, values);
  return values;
}

/**
 * Returns the RoPE frequency factors as GGUF tensors, for the kinds of RoPE scaling that llama.cpp reads from a tensor.
 * Returns an empty list for the others.
 */
function ropeFactors(form: GgufForm<ModelConfig>, config: ModelConfig): GgufTensor[] {
  return Object.entries(form.ropeFactors?.(config) ?? {}).map(([name, factors]): GgufTensor => {
    const read = async () => encodeBlocks("F32", Float32Array.from(factors), name);
    return { name, type: "F32", shape: [factors.length], read };
  });
}

async function tokenizerEntries(
  files: ModelFiles,
  config: ModelConfig,
  { lettersTokenizer }: GgufForm<ModelConfig>,
  notes: string[],
): Promise<Iterable<[string, GgufValue]>> {
  if (!(await files.has("tokenizer.json"))) {
    notes.push(`${files.label} has no tokenizer.json, so the file holds no tokenizer`);
    return [["tokenizer.ggml.model", { type: "string", value: "none" }]];
  }
  const json = (await readJson(files, "tokenizer.json")) as TokenizerJson;
  const tokenizer = await Tokenizer.fromFiles(files);
  const { bosTokenId, eosTokenId, padTokenId, chatTemplate } = tokenizer;
  const ids = {
    bos: bosTokenId ?? config.bosTokenId,
    eos: eosTokenId ?? config.eosTokenIds[0] ?? null,
    unk: json.model.unk_token ? tokenizer.tokenId(json.model.unk_token) : null,
    pad: padTokenId ?? config.padTokenId,
  };
  const { metadata, differs } = tokenizerMetadata(json, ids, config.vocabSize, files.label, lettersTokenizer);
  if (differs)
    notes.push(`llama.cpp may split some texts otherwise than tokenizer.json, which is kept in the file: ${differs}`);
  const others = config.eosTokenIds.filter((id) => id !== ids.eos);
  if (others.length > 0) notes.push(`GGUF has one end-of-text id, ${ids.eos}; not kept: ${others.join(", ")}`);
  if (chatTemplate !== null) metadata.set("tokenizer.chat_template", { type: "string", value: chatTemplate });
  return metadata;
}

/**
 * Returns the preferred GGUF type of a tensor. Does not check that the tensor's row length is a multiple of the type's
 * block size.
 */
function wantedType(layout: TensorLayout, type: GgufEncoding, config: ModelConfig): GgufEncoding {
  if (layout.shape.length < 2 || layout.keepsF32) return "F32";
  const head = config.tieWordEmbeddings ? "token_embd.weight" : "output.weight";
  return (layout.gguf === head ? placeOf(type)?.output : undefined) ?? type;
}

const placeOf = (type: GgufEncoding) => {
  const { packed } = encodings[type];
  return packed && blockFormats[packed].gguf;
};

/**
 * Returns the type of one tensor in a file whose matrices have type `type` by default. The choice is the same as in
 * llama.cpp's converter and quantize command. If the row length is not a multiple of the preferred type's block size,
 * llama.cpp's fallback type is used. If the row length is not a multiple of the fallback type's block size either, the
 * type is F16.
 */
function chooseType(layout: TensorLayout, type: GgufEncoding, config: ModelConfig): GgufEncoding {
  const columns = fileShape(layout).at(-1)!;
  const fits = (one: GgufEncoding | undefined) => one && columns % encodings[one].block.elements === 0;
  const wanted = wantedType(layout, type, config);
  const other = placeOf(wanted)?.otherwise;
  return fits(wanted) ? wanted : fits(other) ? other! : "F16";
}

/**
 * Returns notes for the user about tensors whose type was replaced, because their row length is not a multiple of the
 * block size. One note covers tensors that differ only in their layer.
 */
export function otherTypes(layouts: readonly TensorLayout[], type: GgufEncoding, config: ModelConfig): string[] {
  const notes = new Map<string, Map<string, Set<string>>>();
  for (const layout of layouts) {
    const [wanted, chosen] = [wantedType(layout, type, config), chooseType(layout, type, config)];
    if (chosen === wanted) continue;
    const { elements } = encodings[wanted].block;
    const reason = `${chosen.toLowerCase()} instead of ${wanted.toLowerCase()}, since rows are no whole blocks of ${elements}`;
    const named = (name: string) => `${name} [${fileShape(layout)}]`;
    const kinds = notes.get(reason) ?? new Map<string, Set<string>>();
    const kind = named(layout.gguf.replace(/\d+/, "*"));
    kinds.set(kind, (kinds.get(kind) ?? new Set()).add(named(layout.gguf)));
    notes.set(reason, kinds);
  }
  const together = (names: Set<string>, kind: string) => (names.size > 1 ? `${names.size} of ${kind}` : [...names][0]);
  return Array.from(notes, ([reason, kinds]) => {
    return `${reason}: ${Array.from(kinds, ([kind, names]) => together(names, kind)).join(", ")}`;
  });
}
