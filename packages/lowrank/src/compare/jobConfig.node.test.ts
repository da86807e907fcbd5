import { knownMethods, recipesOf, registeredMethods } from "@lowrank/peft";
import { describe, expect, test } from "vitest";
import { findMethods } from "../report/methods.ts";
import { jobConfig, sizeOptionOf } from "./jobConfig.ts";

const settings = { r: 16, targetModules: "all-linear", virtualTokens: 20, steps: 100 };

describe("the configuration of a run", () => {
  const configOf = (name: string, ...[size, set]: [{ flag: string; value: number }?, Record<string, string>?]) =>
    jobConfig(findMethods([name])[0], settings, { virtualTokens: 9 }, size, set);

  test("has the recipe's values that follow from the size", () => {
    const own = configOf("lora", { flag: "r", value: 3 });
    expect(own).toEqual(findMethods(["lora"])[0].config({ ...settings, r: 3 }));
    expect(configOf("prompt", { flag: "virtual-tokens", value: 5 })).toMatchObject({ numVirtualTokens: 5 });
    expect(configOf("prompt")).toMatchObject({ numVirtualTokens: 9 });
  });

  test("has other options, as the command line reads them", () => {
    expect(configOf("lora", undefined, { dropout: "0.25", alpha: "7" })).toMatchObject({
      loraDropout: 0.25,
      loraAlpha: 7,
    });
    expect(() => configOf("ia3", undefined, { alpha: "7" })).toThrow(
      "--set ia3.alpha: ia3 has no option alpha; it has ",
    );
    expect(() => configOf("full", undefined, { alpha: "7" })).toThrow("full has no option alpha; it has none");
    expect(() => configOf("lora", undefined, { alpha: "much" })).toThrow("--set: alpha=much: Expected a number");
    expect(() => configOf("lora", undefined, { "use-dora": "yes" })).toThrow("use-dora");
  });
});

test("every method of the commands has a size option, or is known to have none", async () => {
  // Other tests of this process may have registered methods.
  const registered = registeredMethods();
  const own = Object.values(await knownMethods()).filter(({ peftType }) => !Object.hasOwn(registered, peftType));
  const names = ["full", ...own.flatMap(recipesOf).map(({ name }) => name)];
  const without = findMethods(names).flatMap((method) => (sizeOptionOf(method) === null ? [method.name] : []));
  expect(without.sort()).toEqual(["beft", "bitfit", "full", "ia3", "ln", "road", "trainable-tokens"]);
});
