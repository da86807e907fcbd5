import type { Tensor } from "@lowrank/core";
import type { UnaryModule } from "@lowrank/nn";
import { UnsupportedError } from "../config/checks.ts";
import type { Run } from "./rowGroups.ts";
import type { Wrapper, Wrappers } from "./wrapper.ts";

/** The levels of the adapters of one module. */
interface Levels {
  /** The method of the outermost level. */
  method: string;
  /** The number of levels. */
  count: number;
  /** The level of each adapter, from 1 (the innermost), and its method. */
  readonly of: Map<string, { level: number; method: string }>;
}

/** Computes a module's output with an adapter. `inner` is the module to which the adapter is applied. */
type Apply = (x: Tensor, name: string, inner?: UnaryModule) => Tensor;

/** The methods that PEFT's mixed models support, by `peftType`. */
const compatible = ["LORA", "LOHA", "LOKR", "ADALORA", "OFT", "SHIRA"];

/**
 * Defines the order in which several active adapters are applied to a module, as in PEFT's mixed models. Each module
 * has levels, and each level has the adapters of one method. A new adapter joins the outermost level if its method is
 * the same. Otherwise, it begins a new level outside of the others. An adapter's base layer is the module with all
 * levels inside of it.
 */
export class AdapterStack {
  readonly #levels = new WeakMap<Wrapper, Levels>();
  /** The last result of `order` in `run` for each module. */
  readonly #orders = new WeakMap<Wrapper, { names: readonly string[]; order: readonly string[] }>();

  /** Throws for a method that mixed models do not support. */
  check(method: string): void {
    if (compatible.includes(method)) return;
    throw new UnsupportedError(
      "not_together",
      `a PeftMixedModel cannot have adapters of ${method}, since PEFT supports only ${compatible.join(", ")} together; use a PeftModel without \`mixed\``,
    );
  }

  /** Assigns the levels of a new adapter on all modules that it changes. */
  put(name: string, method: string, wrappers: Wrappers): void {
    for (const wrapper of wrappers.values()) {
      if (!wrapper.has(name)) continue;
      const levels = this.#levels.get(wrapper) ?? { method: "", count: 0, of: new Map() };
      if (levels.method !== method) levels.count += 1;
      levels.method = method;
      levels.of.set(name, { level: levels.count, method });
      this.#levels.set(wrapper, levels);
    }
  }

  /**
   * Returns the adapters that change a module, from the innermost to the outermost. Adapters of one level are
   * applied in the order of `names`. Adapters that rotate inputs change them from the outside in, so the first one is
   * the outermost.
   */
  order(wrapper: Wrapper, names: readonly string[]): readonly string[] {
    const levels = this.#levels.get(wrapper);
    const rotates = wrapper.wrapped.layerKind !== "embedding";
    const rank = (name: string, i: number) => {
      const { level = 0, method = "" } = levels?.of.get(name) ?? {};
      return [level, method === "OFT" && rotates ? -i : i] as const;
    };
    return names
      .map((name, i) => ({ name, at: rank(name, i) }))
      .filter(({ name }) => wrapper.has(name))
      .sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1])
      .map(({ name }) => name);
  }

  /** Runs a wrapper with all of the active adapters `names` that change its module. */
  run(wrapper: Wrapper, names: readonly string[], inputs: readonly unknown[], run: Run): Tensor {
    let last = this.#orders.get(wrapper);
    if (last?.names !== names) {
      last = { names, order: this.order(wrapper, names) };
      this.#orders.set(wrapper, last);
    }
    const { order } = last;
    if (order.length < 2) return run(order[0] ?? null, inputs);
    const [x, ...rest] = inputs;
    const base = wrapper.wrapped as UnaryModule;
    return this.apply(base, order, x as Tensor, (y, name, inner) => run(name, [y, ...rest], inner));
  }

  /** Applies adapters to a module in the given order, from the innermost to the outermost. Returns the output for x. */
  apply(base: UnaryModule, order: readonly string[], x: Tensor, apply: Apply): Tensor {
    let inner: UnaryModule | undefined;
    for (const name of order.slice(0, -1)) {
      const below = inner;
      inner = adapted(base, (y) => apply(y, name, below));
    }
    return apply(x, order[order.length - 1], inner);
  }
}

/**
 * Returns an object with the properties of a base module and another `forward`. Its `isExact` is false, so that
 * adapters call `forward` instead of computing the base module's output from its weight.
 */
function adapted(base: UnaryModule, forward: (x: Tensor) => Tensor): UnaryModule {
  return Object.create(base, { forward: { value: forward }, isExact: { value: false } });
}
