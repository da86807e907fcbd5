import { add, copyInto, Generator, noGrad, OptionError, randn, scope, type Tensor, to } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { PeftModel } from "@lowrank/peft";

/** Values of an adapter as plain data: how large they are, and the seed that draws them. */
export interface AdapterValues {
  /**
   * - "normal": the initial values plus random ones with standard deviation 0.1.
   * - "large": plus random values with standard deviation 2.
   * - "tiny": plus random values with standard deviation 1e-4.
   * - "half": as "normal", rounded to f16, as adapters that were saved in half precision.
   */
  kind: "normal" | "large" | "tiny" | "half";
  /** Seed of the random values. */
  seed: number;
}

const deviations = { normal: 0.1, large: 2, tiny: 1e-4, half: 0.1 } as const;

/**
 * Adds random values to all tensors that an adapter trains (default: the active adapter's). A new adapter often changes
 * nothing; after this call it does, without a training.
 *
 * @example
 * ```ts
 * const peft = await getPeftModel(model, new LoraConfig({ r: 2 }));
 * setAdapterValues(peft, { kind: "large", seed: 3 });
 * ```
 */
export function setAdapterValues(peft: PeftModel, values: AdapterValues, adapterName?: string): void {
  checkValues(values);
  const { kind, seed } = values;
  const generator = new Generator(seed);
  const name = adapterName ?? peft.activeAdapter ?? "default";
  noGrad(() => {
    for (const parameter of peft.base_model.trained(name).values()) {
      scope(() => {
        const { backend } = parameter.storage;
        const noise = randn(parameter.shape, { generator, std: deviations[kind], backend });
        const wide = add(parameter.dtype === "f32" ? parameter : to(parameter, { dtype: "f32" }), noise);
        copyInto(parameter, stored(wide, kind === "half" ? "f16" : "f32", parameter));
      });
    }
  });
}

/** Throws `OptionError` for values of another form. */
function checkValues(values: AdapterValues): void {
  checkOptions("setAdapterValues", values, { kind: true, seed: true });
  const { kind, seed } = values;
  if (!Object.hasOwn(deviations, kind)) {
    const choices = Object.keys(deviations).join(", ");
    throw new OptionError("setAdapterValues", "kind", kind, `is ${String(kind)}; choose ${choices}`);
  }
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new OptionError("setAdapterValues", "seed", seed, `is ${String(seed)}; give an integer of at least 0`);
  }
}

/** Returns the values rounded to `through` and in the dtype of `like`. */
function stored(values: Tensor, through: "f16" | "f32", like: Tensor): Tensor {
  const rounded = through === "f32" ? values : to(values, { dtype: through });
  return rounded.dtype === like.dtype ? rounded : to(rounded, { dtype: like.dtype as "f32" });
}
