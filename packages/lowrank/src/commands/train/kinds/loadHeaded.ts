import type { OnProgress } from "@lowrank/core";
import { openFiles } from "@lowrank/files";
import { Tokenizer } from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import type { LoadedWeights } from "../../../cli/argument.ts";
import { startBackend } from "../../../cli/loading/backends.ts";
import { isGguf, withoutTokenizer } from "../../../cli/loading/loading.ts";
import { loadingProgress } from "../../../cli/loading/loadingProgress.ts";
import { readConfig } from "../../../cli/loading/modelConfig.ts";
import type { KindLoading, LoadedBase } from "./modelKind.ts";

/** Content of a model's config.json, and the file's name for messages. */
export interface HeadedConfig {
  readonly json: Record<string, unknown>;
  readonly label: string;
}

/** Reads the config of a model that is not a decoder. Throws for a GGUF file, which can only hold a decoder. */
export async function readHeaded(path: string): Promise<HeadedConfig> {
  if (isGguf(path)) {
    throw new Error(`--model ${path} is a GGUF file, which this --task does not train; give the folder of the model`);
  }
  const found = await readConfig(path);
  if (found) return { json: Object(found.json) as Record<string, unknown>, label: found.label };
  throw new Error(`there is no folder ${path}`);
}

/**
 * Returns true if the first name in the config's `architectures` ends with `ending`, such as "ForTokenClassification".
 */
export function namesHead({ json: { architectures } }: HeadedConfig, ending: string): boolean {
  return String([architectures ?? []].flat()[0]).endsWith(ending);
}

/** Options for the library function that loads a kind of model. */
interface LoaderOptions {
  dtype: Exclude<LoadedWeights, "packed">;
  quantize?: QuantizeOptions;
  onProgress?: OnProgress;
}

/** Returns the padding token id of the config, or else of the tokenizer. */
export async function paddingOf(path: string, { json }: HeadedConfig): Promise<number> {
  if (typeof json.pad_token_id === "number") return json.pad_token_id;
  const { padTokenId, eosTokenId } = await Tokenizer.fromFiles(await openFiles(path));
  return padTokenId ?? eosTokenId ?? 0;
}

/** Starts the backend and loads a model with `load`, with progress on a terminal. */
export async function loadHeaded<Loaded extends Pick<LoadedBase, "quantization"> & { tokenizer?: Tokenizer }>(
  path: string,
  { backend: name, weights, quantize, silent, ...settings }: KindLoading,
  load: (options: LoaderOptions) => Promise<Loaded>,
): Promise<Loaded & Pick<LoadedBase, "tokenizer" | "backend">> {
  if (weights === "packed") throw new Error("--weights packed is for a GGUF file; leave it out");
  const backend = await startBackend(name, settings);
  const { onProgress, end } = silent ? { end: () => {} } : loadingProgress(process.stderr);
  const loaded = await load({ dtype: weights, quantize, onProgress }).finally(end);
  const { tokenizer } = loaded;
  if (tokenizer) return { ...loaded, tokenizer, backend };
  throw withoutTokenizer(path);
}
