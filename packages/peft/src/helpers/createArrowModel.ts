import type { Tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { OnWarning } from "../config/warning.ts";
import type { AdapterSource } from "../files/adapterFiles.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import { type ArrowConfig, LoraConfig } from "../methods/lora/loraConfig.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { type LoadAdapterOptions, loadAdapterKeys } from "../saved/savedOptions.ts";
import { matchesPath } from "../targets/matchTargets.ts";

/** Options of `createArrowModel`. */
export interface ArrowModelOptions extends Omit<LoadAdapterOptions, "isTrainable" | "strict"> {
  /** Adapters whose average is subtracted from the adapters of the tasks. Needed with `useGks`. */
  generalAdapters?: readonly AdapterSource[];
  /** Receives warnings. Default: console.warn. */
  onWarning?: OnWarning;
}

/** The sizes of A and B of an adapter's layers, by path. */
type Shapes = Map<string, { a?: readonly number[]; b?: readonly number[] }>;

/**
 * Loads the LoRA adapters of several tasks onto a model, and adds an Arrow router that mixes them for each token, like
 * PEFT's `create_arrow_model`. Nothing is trained. The adapters get the names "task_0", "task_1", ...; general ones
 * "gks_0", ...; the active one is "arrow_router". A LoRA adapter that you load later becomes an expert too. Ostapenko
 * et al. 2024, https://arxiv.org/abs/2405.11157
 *
 * With `useGks`, the average of the general adapters is subtracted from the experts in the first forward pass, which
 * changes the adapters of the tasks (https://aclanthology.org/2025.acl-short.54).
 *
 * @throws If adapters have other ranks, layers or parameters than products B A on linear layers, and if the model has
 * fewer adapters than `topK`. The model is then unchanged.
 *
 * @example
 * const peft = await createArrowModel(model, ["english", "french", "code"], { topK: 2 });
 */
export async function createArrowModel<M extends AdaptableModel>(
  model: M,
  taskAdapters: readonly AdapterSource[],
  arrowConfig: Partial<Omit<ArrowConfig, "taskAdapterNames" | "gksAdapterNames">> = {},
  options: ArrowModelOptions = {},
): Promise<PeftModel<M>> {
  checkOptions("createArrowModel", options, { ...loadAdapterKeys, generalAdapters: true, onWarning: true });
  const { generalAdapters = [], onWarning, ...load } = options;
  if (taskAdapters.length === 0) throw new Error("createArrowModel: there are no adapters of tasks; give at least one");
  if (arrowConfig.useGks && generalAdapters.length === 0) {
    throw new Error("createArrowModel: useGks needs generalAdapters, whose average it subtracts; give at least one");
  }
  const general = arrowConfig.useGks ? generalAdapters : [];
  const named = (name: string, sources: readonly AdapterSource[]) =>
    sources.map((source, i) => [`${name}_${i}`, source] as const);
  const [tasks, others] = [named("task", taskAdapters), named("gks", general)];
  const names = {
    taskAdapterNames: tasks.map(([name]) => name),
    gksAdapterNames: others.map(([name]) => name),
  };
  const config = new LoraConfig({ arrowConfig: { ...arrowConfig, ...names } });
  const { topK } = config.arrowConfig!;
  if (topK > tasks.length) {
    throw new Error(
      `createArrowModel: topK is ${topK}, but there are only ${tasks.length} adapters; load more, or use a smaller topK`,
    );
  }
  const peft = new PeftModel(model, onWarning);
  try {
    for (const [name, source] of [...tasks, ...others]) await peft.loadAdapter(source, name, load);
    const shapes = checkedShapes(peft, [...tasks, ...others]);
    const r = [...shapes.values()].at(-1)!.a![0];
    await peft.addAdapter("arrow_router", config.with({ r, targetModules: targetsOf(peft, shapes) }));
  } catch (error) {
    peft.unload();
    throw error;
  }
  peft.setAdapter("arrow_router");
  return peft;
}

/** Returns the sizes of the first adapter's layers. Throws unless all adapters have the same. */
function checkedShapes<M extends AdaptableModel>(
  peft: PeftModel<M>,
  adapters: readonly (readonly [name: string, source: AdapterSource])[],
): Shapes {
  const all = adapters.map(([name]) => [name, shapesOf(name, peft.adapterTensors(name))] as const);
  const [[first, wanted], ...rest] = all;
  for (const [name, found] of rest) {
    const problem = (what: string) =>
      new Error(`createArrowModel: adapters "${first}" and "${name}" ${what}; train them with the same configuration`);
    const missing = [...wanted.keys(), ...found.keys()].find((path) => !wanted.has(path) || !found.has(path));
    if (missing !== undefined) throw problem(`adapt other layers: only one of them adapts ${missing}`);
    for (const [path, sizes] of wanted) {
      const own = found.get(path)!;
      if (`${own.a}` !== `${sizes.a}` || `${own.b}` !== `${sizes.b}`) {
        throw problem(`have A [${sizes.a}] and [${own.a}] on ${path}`);
      }
    }
  }
  return wanted;
}

/** Returns the sizes of an adapter's A and B. Throws if it has other tensors. */
function shapesOf(name: string, tensors: ReadonlyMap<string, Tensor>): Shapes {
  const shapes: Shapes = new Map();
  for (const [key, { shape }] of tensors) {
    const [, path, which] = /^base_model\.model\.(.*)\.lora_([AB])\.weight$/.exec(key) ?? [];
    if (path === undefined) {
      throw new Error(
        `createArrowModel: adapter "${name}" has ${key}, which a router cannot mix; train plain LoRA on linear layers`,
      );
    }
    shapes.set(path, { ...shapes.get(path), [which === "A" ? "a" : "b"]: shape });
  }
  return shapes;
}

/** Returns the names of the adapted modules, as in PEFT, or their paths if these names also match other modules. */
function targetsOf<M extends AdaptableModel>(peft: PeftModel<M>, shapes: Shapes): string[] {
  const names = [...new Set([...shapes.keys()].map((path) => path.slice(path.lastIndexOf(".") + 1)))].sort();
  const matched = [...peft.baseModel.namedModules()].filter(
    ([path, module]) => matchesPath(names, path) && (module.layerKind || module instanceof TunerLayer),
  );
  return matched.every(([path]) => shapes.has(path)) ? names : [...shapes.keys()];
}
