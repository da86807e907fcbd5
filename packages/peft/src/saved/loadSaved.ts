import type { SafetensorsFile, Tensor } from "@lowrank/core";
import { type Module, Parameter } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import { compareKeys, describeMismatch, differingTables, readInto } from "../files/adapterFiles.ts";
import { inFileAsync } from "../files/configFile.ts";
import { halfDTypes, halfPrecisionOf } from "../files/halfPrecision.ts";
import { placesOf, Swap } from "../layers/swap.ts";
import { fileSpecs } from "../methods/shared/fileForm.ts";
import { fileFormOf } from "../methods/shared/method.ts";
import type { FloatDType, MethodFacts } from "../methods/shared/methodFacts.ts";
import type { Tuner } from "../model/tuner.ts";
import type { SavedAdapter } from "./readAdapter.ts";
import type { LoadAdapterOptions } from "./savedOptions.ts";

/** Options of `loadSaved`. */
interface LoadSavedOptions
  extends Pick<LoadAdapterOptions, "isTrainable" | "strict" | "autocastAdapterDtype" | "onProgress" | "signal"> {
  /** Returns true for a key that the file may lack; the missing tensor is then zero. Default: no key may be missing. */
  mayLack?: (key: string) => boolean;
}

/** Adds a saved adapter to the model without activating it. If loading fails, the model is unchanged. */
export async function loadSaved(
  tuner: Tuner<Module>,
  saved: SavedAdapter,
  name: string,
  options: LoadSavedOptions,
  onWarning: OnWarning,
): Promise<void> {
  const { config, files } = saved;
  if (!("adapters" in config)) return loadOne(tuner, saved, name, options, onWarning);
  const { withExperts } = await import("./withExperts.ts");
  await withExperts(
    tuner,
    { config, files, load: loadOne, isTrainable: options.isTrainable },
    options,
    onWarning,
    (next) => {
      return loadOne(tuner, { ...saved, config: next.config }, name, options, onWarning, next.paths);
    },
  );
}

async function loadOne(
  tuner: Tuner<Module>,
  { label, method, config, weights }: Omit<SavedAdapter, "files">,
  name: string,
  options: LoadSavedOptions,
  onWarning: OnWarning,
  paths?: readonly string[],
): Promise<void> {
  const { isTrainable = false, strict = true, mayLack = () => false, onProgress, signal } = options;
  const dtypeOf = dtypesKept({ label, method, config, weights }, options);
  const { replication } = tuner;
  const shapeOf = (key: string) => (weights.has(key) ? weights.info(key).shape : undefined);
  await inFileAsync(label, () =>
    tuner.add(
      { name, config, paths, loading: true, dtypeOf, shapeOf, read: (key) => weights.read(key), signal },
      onWarning,
    ),
  );
  try {
    const filed = tuner.filed(name);
    const expected = new Map<string, Tensor>([...filed, ...tuner.buffers(name)]);
    const tables = tuner.tables(name);
    const form = fileFormOf(method, config);
    if (form && !form.exact && isTrainable) {
      throw new Error(
        `${label}: the file contains only what inference needs, so the adapter cannot be trained; load it without isTrainable`,
      );
    }
    const mismatch = compareKeys(
      weights,
      fileSpecs(expected, form),
      new Map([...tables, ...tuner.repeatedBiases(name, nameWhenSaved(weights))]),
    );
    const missing = mismatch.missing.filter((key) => !mayLack(key));
    const message = describeMismatch(weights.label, { ...mismatch, missing });
    if (message !== null && (strict || mismatch.misshaped.length > 0)) throw new Error(message);
    if (message !== null) onWarning({ code: "key-mismatch", message });
    await readInto(weights, expected, form, { onProgress, signal });
    takeRows(tuner, name, expected);
    for (const tensor of filed.values()) if (!(tensor instanceof Parameter)) tensor.dispose();
    await inFileAsync(weights.label, () => tuner.valuesRead(name));
    tuner.adapter(name).halfPrecision = halfPrecisionOf(weights, expected);
    for (const [key, table] of await differingTables(weights, tables)) replaceTable(tuner, name, key, table);
    tuner.setTrainable(name, isTrainable);
    tuner.setBases(name);
  } catch (error) {
    tuner.remove(name);
    tuner.restoreLayers(replication);
    throw error;
  }
}

/** Lets a prompt encoder take the virtual tokens that were read. */
function takeRows(tuner: Tuner<Module>, name: string, read: ReadonlyMap<string, Tensor>): void {
  const rows = read.get("prompt_embeddings");
  if (!rows) return;
  tuner.adapter(name).prompt?.encoder.setRows(rows);
}

/**
 * Returns a function that maps a file key to the dtype that its tensor gets in memory. Throws if f16 or bf16 tensors of
 * the file should keep their dtype but cannot. This is the case if the adapter will be trained, or if its method
 * computes only in f32.
 */
function dtypesKept(
  { label, method, config, weights }: Omit<SavedAdapter, "files">,
  { isTrainable = false, autocastAdapterDtype = true }: LoadSavedOptions,
): (key: string) => FloatDType {
  if (autocastAdapterDtype) return () => "f32";
  const stored = (key: string) => (weights.has(key) ? (halfDTypes[weights.info(key).dtype] ?? "f32") : "f32");
  const facts: MethodFacts<PeftConfig> = method;
  if (weights.names().every((key) => stored(key) === "f32")) return stored;
  if (isTrainable) {
    throw new Error(`${label}: training needs f32; leave out autocastAdapterDtype: false, or isTrainable`);
  }
  if (!facts.keepsHalfPrecision?.(config)) {
    throw new Error(
      `${label}: ${method.peftType} with these options computes in f32; leave out autocastAdapterDtype: false`,
    );
  }
  return stored;
}

/**
 * Makes adapter `name` replace the base model's table with file key `key` by `table`, in all modules that use it, while
 * the adapter is active. Disposes the caller's handle `table`.
 */
function replaceTable(tuner: Tuner<Module>, name: string, key: string, table: Tensor): void {
  const before = tuner.tables(name).get(key)!;
  const places = tuner.bare(() => placesOf(tuner.model)).get(before)!;
  tuner.adapter(name).swaps.set(key, new Swap(places, new Parameter(table, { requiresGrad: false })));
  table.dispose();
}

/** Returns the adapter's name when its file was written, which some keys contain. Undefined if no key contains it. */
function nameWhenSaved(file: SafetensorsFile): string | undefined {
  const found = file.names().map((key) => /\.modules_to_save\.([^.]+)\..*\bbias$/.exec(key)?.[1]);
  return found.find((name) => name !== undefined);
}
