import type { OnWarning } from "@lowrank/peft";
import type { AdapterValues } from "../api/adapterProvider.ts";
import { type AdapterRules, checkAdapter, isFiniteAtOnce } from "./checkAdapter.ts";
import { dataLengthOf, KnownLayouts } from "./knownLayouts.ts";
import type { AdapterContent } from "./readAdapter.ts";

/**
 * Checks adapters by a store's rules. If the layout of an adapter was checked before, checks only its tensor values.
 */
export class AdapterChecks {
  readonly #rules: AdapterRules;
  readonly #onWarning: OnWarning;
  readonly #layouts = new KnownLayouts();

  constructor(rules: AdapterRules, onWarning: OnWarning) {
    this.#rules = rules;
    this.#onWarning = onWarning;
  }

  /**
   * Checks an adapter and returns its tensor values, which share the memory of `content`. Throws ServingError
   * `adapter_refused` for an adapter that cannot be served. `name` is the adapter's name in messages.
   */
  async check(content: AdapterContent, name: string): Promise<AdapterValues> {
    const { config, weights } = content;
    const known = this.#layouts.find(config, weights);
    if (known && isFiniteAtOnce(known, weights)) return { layout: known, bytes: dataOf(known, weights) };
    let warned = false;
    const found = await checkAdapter(content, name, this.#rules, (warning) => {
      warned = true;
      this.#onWarning(warning);
    });
    // Layouts with warnings are not cached, so that each adapter gets its own warning.
    const layout = known ?? (warned ? found : this.#layouts.add(config, weights, found));
    return { layout, bytes: dataOf(layout, weights) };
  }
}

function dataOf(layout: AdapterValues["layout"], weights: Uint8Array): Uint8Array {
  return weights.subarray(weights.length - dataLengthOf(layout));
}
