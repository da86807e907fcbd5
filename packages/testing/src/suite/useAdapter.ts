import { type ModelFiles, memoryFiles, openFiles, readJson } from "@lowrank/files";
import type { CausalLM } from "@lowrank/models";
import type { AdapterSource, PeftModel } from "@lowrank/peft";

/** Adapter of a suite on the model. */
export interface UsedAdapter {
  /** Name on the model. */
  readonly name: string;
  readonly label: string;
  /** The contents of `adapter_config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The error if the adapter could not be loaded. */
  readonly problem: string | null;
  /** Removes the adapter if it was loaded for the suite. */
  remove(): void;
}

/**
 * Finds an adapter on the model, or loads it.
 *
 * @throws `Error` if there is no such folder. Files that do not fit the model are reported as `problem`.
 */
export async function useAdapter(peft: PeftModel<CausalLM>, source: AdapterSource, name: string): Promise<UsedAdapter> {
  if (typeof source === "string" && peft.peftConfig.has(source)) {
    const files = await peft.adapterFiles([source]);
    const [, json] = [...files].find(([path]) => path.endsWith("adapter_config.json")) ?? [];
    const config = json === undefined ? {} : JSON.parse(textOf(json));
    return { name: source, label: source, config, problem: null, remove: () => {} };
  }
  const files = await openFiles(source instanceof Map ? memoryFiles(source) : (source as string | URL | ModelFiles));
  const config = (await readJson(files, "adapter_config.json")) as Record<string, unknown>;
  const used = { name, label: typeof source === "string" ? source : files.label, config };
  try {
    await peft.loadAdapter(files, name);
  } catch (error) {
    return { ...used, problem: (error as Error).message, remove: () => {} };
  }
  return { ...used, problem: null, remove: () => peft.deleteAdapter(name) };
}

function textOf(content: Uint8Array | string): string {
  return typeof content === "string" ? content : new TextDecoder().decode(content);
}
