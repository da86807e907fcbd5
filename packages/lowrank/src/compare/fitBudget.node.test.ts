import { fileURLToPath } from "node:url";
import { init } from "@lowrank/core";
import { describeModel } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { describeAdapter, type PeftConfig } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import { findModelConfig } from "../cli/loading/modelConfig.ts";
import { adapterMethods, findMethods } from "../report/methods.ts";
import { fitBudget } from "./fitBudget.ts";
import { jobConfig, sizeOptionOf } from "./jobConfig.ts";

beforeAll(async () => void (await init(wasm())));

const nano = await findModelConfig(fileURLToPath(nanoModelFolder));
const settings = { r: 16, targetModules: "all-linear", virtualTokens: 20, steps: 100 };
const fit = (name: string, budget: number, set = {}) =>
  fitBudget(findMethods([name])[0], settings, {}, nano, budget, set);

/** Parameters that a method trains on nano with a value of its size option. */
async function trainable(name: string, value: number): Promise<number> {
  const [method] = findMethods([name]);
  const { flag } = sizeOptionOf(method) as { flag: string };
  const config = jobConfig(method, settings, {}, { flag, value }) as PeftConfig;
  return (await describeAdapter(describeModel(nano), config)).trainable;
}

describe("the size of a method for a budget", () => {
  // Each layer of rank r has r x (in + out) parameters: 6,720 for rank 1 over all layers.
  test.each([
    ["lora", 20_000, 3],
    ["lora", 6720 * 7, 7],
    ["prompt", 64 * 2 * 33, 33],
    ["unilora", 12_345, 12_345],
  ])("%s with %d parameters", async (name, budget, value) => {
    const fitted = await fit(name, budget);
    expect(fitted?.value).toBe(value);
    expect(fitted?.trainable).toBe(await trainable(name, value));
  });

  test("is nearest as a ratio: no neighbouring value is nearer", async () => {
    const far = (count: number) => Math.abs(Math.log(count / 30_000));
    for (const name of ["hira", "vera", "randlora", "delora", "fourierft", "p-tuning", "miss", "tinylora"]) {
      const fitted = await fit(name, 30_000);
      const { value, trainable: count } = fitted as NonNullable<typeof fitted>;
      for (const other of [value - 1, value + 1]) {
        const neighbour = await trainable(name, other).catch(() => 1);
        expect([name, far(neighbour) >= far(count)]).toEqual([name, true]);
      }
    }
  });

  test("can be a share, or a divisor of the layers' sizes", async () => {
    const frod = await fit("frod", 20_000);
    expect(frod?.flag).toBe("sparse-rate");
    expect(frod?.trainable).toBeGreaterThan(19_900);
    expect(frod?.trainable).toBeLessThan(20_100);
    expect(await fit("c3a", 20_000)).toEqual({ flag: "c3a-block-size", value: 32, trainable: 16_128 });
  });

  test("depends on other options", async () => {
    await expect(fit("vblora", 20_000)).rejects.toThrow("vectorLength");
    expect((await fit("vblora", 20_000, { "vector-length": "64" }))?.flag).toBe("num-vectors");
  });

  test("is null for a method without one, and an error if no size is near", async () => {
    expect(await fit("ia3", 20_000)).toBeNull();
    expect(await fit("full", 20_000)).toBeNull();
    await expect(fit("lora", 100)).rejects.toThrow(
      "LoRA cannot train about 100 parameters: --r 1 is nearest, with 6720; give --budgets within twice or half of that",
    );
  });

  test("is set by a flag of the method, whose value the configuration has", () => {
    for (const method of adapterMethods()) {
      const option = sizeOptionOf(method);
      if (option === null) continue;
      expect([method.name, option.type]).toEqual([method.name, expect.stringMatching(/^(integer|number)$/)]);
      if (option.flag === "virtual-tokens") continue;
      const value = "most" in option && option.most === 1 ? 0.25 : 4;
      const config = jobConfig(method, settings, {}, { flag: option.flag, value }) as unknown as Record<
        string,
        unknown
      >;
      expect([method.name, config[option.field]]).toEqual([method.name, value]);
    }
  });
});
