import {
  copyInto,
  fromBytes,
  noGrad,
  OptionError,
  openSafetensors,
  type SafetensorsFile,
  scope,
  type Tensor,
  to,
} from "@lowrank/core";
import { type ModelFiles, openFiles, readJson } from "@lowrank/files";
import type { SecondDecoder } from "@lowrank/nn";

/** The `model_type` of a checkpoint with a projection to the hidden size of a larger model. */
const projectedType = "causal_lm_with_hidden_projection";
const projectionKey = "shadow_hidden_projection.weight";
/** The prefix of the decoder's tensors in such a checkpoint. */
const innerPrefix = "shadow_model.";
const weightsName = "model.safetensors";

/** The checkpoint of a second decoder: a decoder alone, or with a projection to the hidden size of a larger model. */
export interface ShadowCheckpoint {
  /** The value of the decoder's config.json. */
  readonly config: unknown;
  /** True if the checkpoint has a projection. */
  readonly hasProjection: boolean;
  /** Copies the checkpoint's values into a decoder without its head. Throws for missing tensors and other shapes. */
  read(decoder: SecondDecoder): Promise<void>;
  /** Copies the checkpoint's projection into a tensor. */
  readProjection(projection: Tensor): Promise<void>;
}

function refused(source: string, problem: string): OptionError {
  return new OptionError(
    "ShadowConfig",
    "shadowModel",
    source,
    (named) => `${named("shadowModel", source)} ${problem}`,
  );
}

/** Opens the checkpoint in a folder, at an address or on the Hugging Face hub. Reads its config.json alone. */
export async function openCheckpoint(source: string): Promise<ShadowCheckpoint> {
  const { files, json } = await opened(source);
  const { model_type: type, shadow_model_config: inner } = json as Record<string, unknown>;
  const hasProjection = type === projectedType;
  const file = async (): Promise<SafetensorsFile> => {
    if (!(await files.has(weightsName))) {
      throw refused(source, `has no ${weightsName}; save the checkpoint in one safetensors file`);
    }
    return openSafetensors(await files.open(weightsName), `${weightsName} of ${files.label}`);
  };
  return {
    config: hasProjection ? inner : json,
    hasProjection,
    read: async (decoder) => {
      const weights = await file();
      const names = weights.names().flatMap((stored): [string, string][] => {
        if (hasProjection && !stored.startsWith(innerPrefix)) return [];
        const name = decoder.nameOf(hasProjection ? stored.slice(innerPrefix.length) : stored);
        return name === null ? [] : [[name, stored]];
      });
      const stored = new Map(names);
      for (const [name, tensor] of [...decoder.model.namedParameters(), ...decoder.model.namedBuffers()]) {
        if (!name.startsWith(`${decoder.stack}.`)) continue;
        await readTensor(weights, stored.get(name) ?? `${hasProjection ? innerPrefix : ""}${name}`, tensor, source);
      }
    },
    readProjection: async (projection) => readTensor(await file(), projectionKey, projection, source),
  };
}

async function opened(source: string): Promise<{ files: ModelFiles; json: object }> {
  try {
    const files = await openFiles(source);
    const json = await readJson(files, "config.json");
    if (typeof json === "object" && json !== null) return { files, json };
    throw new Error("config.json is not an object");
  } catch (error) {
    const hub = /^[\w.-]+\/[\w.-]+$/.test(source) ? `, or hf://${source} for a repository of the hub` : "";
    throw refused(source, `cannot be read (${(error as Error).message}); give the folder of a decoder${hub}`);
  }
}

/** Copies a tensor of the file into `into`. Throws if it is missing or has another shape. */
async function readTensor(file: SafetensorsFile, name: string, into: Tensor, source: string): Promise<void> {
  if (!file.has(name)) throw refused(source, `lacks the tensor ${name}; give a decoder with all its tensors`);
  const { bytes, shape, dtype } = await file.read(name);
  if (shape.join() !== into.shape.join()) {
    throw refused(source, `has ${name} with the shape [${shape}], and [${into.shape}] is needed`);
  }
  noGrad(() => scope(() => copyInto(into, to(fromBytes(bytes, shape, dtype, into.storage.backend), { dtype: "f32" }))));
}
