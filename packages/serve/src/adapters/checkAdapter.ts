import { bytesSource, openSafetensors, yieldIfDue } from "@lowrank/core";
import { firstNonFinite } from "@lowrank/core/internal";
import { type OnWarning, type PeftConfig, parsePeftConfig } from "@lowrank/peft";
import type { AdapterLayout } from "../api/adapterProvider.ts";
import { configName } from "../storage/adapterPlace.ts";
import { adapterRefused } from "../storage/storeErrors.ts";
import { dataLengthOf } from "./knownLayouts.ts";
import type { AdapterContent } from "./readAdapter.ts";
import { servingProblem } from "./servingProblem.ts";

/** Rules for the adapters of a store. */
export interface AdapterRules {
  /** Largest rank that an adapter may have. Default: any rank. */
  readonly maxLoraRank?: number;
  /** Name or path of the base model, to warn about adapters for another model. */
  readonly baseModel?: string;
}

/**
 * Checks an adapter before it is loaded, and returns its layout. Throws ServingError `adapter_refused` for a broken
 * file, a tensor that is not finite, and a method or option that would apply to all rows of a batch. `name` is the
 * adapter's name in messages.
 */
export async function checkAdapter(
  { config: text, weights, folder }: AdapterContent,
  name: string,
  { maxLoraRank, baseModel }: AdapterRules,
  onWarning: OnWarning,
): Promise<AdapterLayout> {
  const what = `LoRA adapter '${name}'`;
  const config = await readConfig(text, what, onWarning);
  const problem = await servingProblem(config, what, maxLoraRank);
  if (problem !== null) throw adapterRefused(problem);
  const base = config.baseModelNameOrPath;
  if (baseModel && base && !areAlike(base, baseModel)) {
    onWarning({ code: "other-base-model", message: `${what} was made for ${base}, and ${baseModel} is served` });
  }
  return { tensors: await checkFinite(weights, folder.weights.name, what) };
}

async function readConfig(text: string, what: string, onWarning: OnWarning): Promise<PeftConfig> {
  const label = `${what}: ${configName}`;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw adapterRefused(`${label} is not valid JSON: ${(error as Error).message}`);
  }
  return parsePeftConfig(json, { label, onWarning }).catch((error) => {
    throw adapterRefused((error as Error).message);
  });
}

/** Reads a file's header, checks that all values are finite, and returns its tensors. */
async function checkFinite(
  weights: Uint8Array<ArrayBuffer>,
  file: string,
  what: string,
): Promise<AdapterLayout["tensors"]> {
  const opened = await openSafetensors(bytesSource(weights), `${what}: ${file}`).catch((error) => {
    throw adapterRefused((error as Error).message);
  });
  const tensors = opened.names().map((key) => ({ key, ...opened.info(key) }));
  if (isFiniteAtOnce({ tensors }, weights)) return tensors;
  for (const key of opened.names()) {
    const { bytes, dtype } = await opened.read(key).catch((error) => {
      throw adapterRefused((error as Error).message);
    });
    const at = firstNonFinite(bytes, dtype);
    if (at >= 0)
      throw adapterRefused(
        `${what}: ${key} is NaN or infinite at its element ${at}; train it again, or go back to weights that are finite`,
      );
    await yieldIfDue();
  }
  return tensors;
}

/** Size in bytes up to which all tensors of a file are checked in one pass. */
const mostAtOnce = 1 << 20;

/** Returns true if all values of a small file with one dtype are finite. */
export function isFiniteAtOnce(layout: AdapterLayout, { buffer, byteOffset, length }: Uint8Array): boolean {
  const { tensors } = layout;
  const size = dataLengthOf(layout);
  const start = byteOffset + length - size;
  if (size > mostAtOnce || start % 4 !== 0 || tensors.some(({ dtype }) => dtype !== tensors[0].dtype)) return false;
  return firstNonFinite(new Uint8Array(buffer, start, size), tensors[0]?.dtype ?? "F32") < 0;
}

/**
 * Returns true if the last parts of two model names are equal, or if one last part begins with the other, as in the
 * name of a GGUF file with its format.
 */
function areAlike(one: string, other: string): boolean {
  const [a, b] = [lastName(one), lastName(other)];
  return a.startsWith(b) || b.startsWith(a);
}

/** Returns the last part of a repository name or path. */
function lastName(model: string): string {
  return model
    .replace(/[\\/]+$/, "")
    .split(/[\\/]/)
    .at(-1)!
    .toLowerCase();
}
