import {
  type Module,
  type QuantizationReport,
  type QuantizeInPlaceOptions,
  quantize,
  type UnaryModule,
} from "@lowrank/nn";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { Tuner } from "./tuner.ts";

/**
 * Quantises the base model's linear layers. The adapters' wrappers are removed during the call. Skips modules that an
 * adapter trains in full, and modules whose weights an adapter's file contains.
 */
export async function quantizeBase(tuner: Tuner<Module>, options: QuantizeInPlaceOptions): Promise<QuantizationReport> {
  const { model, wrappers } = tuner;
  const adapters = [...tuner.adapters.values()];
  const tables = new Set<Module>(adapters.flatMap((adapter) => [...adapter.tables.values()]));
  const leave = (path: string): string | null => {
    if (tables.has(model.getSubmodule(path))) return "an adapter's file holds its weight";
    const whole = [...wrappers].find(([p, w]) => !(w instanceof TunerLayer) && `${path}.`.startsWith(`${p}.`));
    return whole ? `adapters train ${whole[0]}` : null;
  };
  const report = await quantize(model, options, leave);
  const places = adapters.flatMap(({ swaps }) => [...swaps.values()].flatMap((swap) => swap.places));
  for (const [path, wrapper] of wrappers) {
    const module = model.getSubmodule(path);
    if (!(wrapper instanceof TunerLayer)) continue;
    for (const place of places) if (place.owner === wrapper.wrapped) place.owner = module;
    wrapper.rebase(module as UnaryModule);
  }
  return report;
}
