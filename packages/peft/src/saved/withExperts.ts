import type { ModelFiles } from "@lowrank/files";
import type { Module } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import { type AdapterSource, adapterFileNames } from "../files/adapterFiles.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { LoraConfig } from "../methods/lora/loraConfig.ts";
import { methodOf } from "../methods/registry.ts";
import type { MethodFacts } from "../methods/shared/methodFacts.ts";
import type { NewAdapter } from "../model/adapter/planAdapter.ts";
import type { Tuner } from "../model/tuner.ts";
import { readAdapter, type SavedAdapter } from "./readAdapter.ts";
import type { LoadAdapterOptions } from "./savedOptions.ts";

/** An adapter that mixes saved LoRA adapters. */
interface Mixture {
  readonly config: PeftConfig;
  /** The folder from which the adapter is loaded, which contains the experts' folders. Absent for a new adapter. */
  readonly files?: ModelFiles;
  readonly isTrainable?: boolean;
  /** Adds an expert to the model. */
  load(
    tuner: Tuner<Module>,
    saved: SavedAdapter,
    name: string,
    options: Pick<LoadAdapterOptions, "signal" | "autocastAdapterDtype" | "isTrainable">,
    onWarning: OnWarning,
  ): Promise<void>;
}

/**
 * Loads the LoRA adapters that an adapter mixes, and then calls `add` with the paths of their layers and with the
 * configuration as files contain it. If a step fails, removes the loaded experts. For an adapter from a file, the
 * model's own adapters of the experts' names are used, if there are any.
 */
export async function withExperts(
  tuner: Tuner<Module>,
  mixture: Mixture,
  options: Pick<LoadAdapterOptions, "signal" | "autocastAdapterDtype">,
  onWarning: OnWarning,
  add: (given: Pick<NewAdapter, "config" | "paths">) => Promise<unknown>,
): Promise<void> {
  const { config, files, load, isTrainable = true } = mixture;
  const method: MethodFacts<PeftConfig> = await methodOf(config);
  const adapters = method.experts?.(config) ?? {};
  const names = Object.keys(adapters);
  const loaded: string[] = [];
  try {
    for (const name of names) {
      if (files && tuner.adapters.has(name)) {
        checkExpert(tuner, name, method);
        continue;
      }
      if (files) await checkFolder(files, name, method);
      const saved = files
        ? await readAdapter(files, { subfolder: name }, onWarning)
        : await readAdapter(adapters[name], { signal: options.signal }, onWarning);
      const expertOptions = { ...options, isTrainable: isTrainable && method.expertsTrain?.(config) };
      await load(tuner, saved, name, expertOptions, onWarning);
      loaded.push(name);
      checkExpert(tuner, name, method);
    }
    const paths = [...tuner.wrappers].flatMap(([path, wrapper]) => (names.some((n) => wrapper.has(n)) ? [path] : []));
    const written = Object.fromEntries(names.map((name) => [name, addressOf(adapters[name], name)]));
    await add({ config: config.with({ adapters: written }), paths: inOrder(tuner, paths) });
  } catch (error) {
    for (const name of loaded) tuner.remove(name);
    throw error;
  }
  if (!files) tuner.eval();
}

/** Returns the paths in the order of the model's modules, in which PEFT numbers them. */
function inOrder(tuner: Tuner<Module>, paths: readonly string[]): string[] {
  const wanted = new Set(paths);
  return tuner.bare(() => [...tuner.model.namedModules()].flatMap(([path]) => (wanted.has(path) ? [path] : [])));
}

/** Throws unless the files contain an expert's folder, as PEFT writes it. */
async function checkFolder(files: ModelFiles, name: string, { peftType }: MethodFacts<PeftConfig>): Promise<void> {
  const file = `${name}/${adapterFileNames.config}`;
  if (await files.has(file)) return;
  throw new Error(
    `${files.label}: ${file} is missing, the configuration of an expert of ${peftType}; load the expert first, as adapter "${name}"`,
  );
}

/** Throws unless an adapter only adds products B A to the outputs of layers. */
function checkExpert(tuner: Tuner<Module>, name: string, { peftType }: MethodFacts<PeftConfig>): void {
  const { config, method, swaps } = tuner.adapter(name);
  const facts: MethodFacts<PeftConfig> = method;
  const refuse = (what: string) => {
    throw new Error(`adapter "${name}" cannot be an expert of ${peftType}: it ${what}; give plain LoRA adapters`);
  };
  if (facts.readsAdapters?.(config)) refuse("mixes other adapters");
  if ((config as LoraConfig).targetParameters?.length) refuse("has targetParameters");
  if (swaps.size > 0) refuse(`changes ${[...swaps.keys()][0]}`);
  for (const [path, wrapper] of tuner.wrappers) {
    if (!wrapper.has(name)) continue;
    const layer = wrapper instanceof TunerLayer ? wrapper.get(name) : undefined;
    const keys = [...wrapper.tensors(name).keys()];
    const other = keys.find((key) => !/^lora_(embedding_)?[AB](\.|$)/.test(key));
    if (other !== undefined || !layer?.added) refuse(`has ${other ?? "more than A and B"} on ${path}`);
  }
}

/** Returns the address that a configuration file contains for an expert. */
function addressOf(source: AdapterSource, name: string): string {
  return typeof source === "string" ? source : source instanceof URL ? source.href : name;
}
