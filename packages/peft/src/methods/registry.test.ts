import { init, reference } from "@lowrank/core";
import { expect, test } from "vitest";
import { PeftConfig, type PeftOptions } from "../config/peftConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { TinyModel } from "../testing/tinyModel.ts";

import { lora } from "./lora/lora.ts";
import { knownMethods, registerPeftMethod } from "./registry.ts";
import { definePeftMethod } from "./shared/method.ts";

class NothingConfig extends PeftConfig {
  constructor(options: PeftOptions = {}) {
    super("NOTHING", options);
  }
}

const nothing = definePeftMethod({
  peftType: "NOTHING",
  Config: NothingConfig,
  format: { classic: ["target_modules"], floats: [], refused: {}, ignored: {} },
  kinds: ["linear"],
  defaultTargets: {},
  createLayer: () => ({ parameters: {}, forward: (x, base) => base.forward(x) }),
});

test("a method of one's own is known once it is registered, under a name that is free", async () => {
  await init(reference());
  const put = () => getPeftModel(new TinyModel(), new NothingConfig({ targetModules: ["up"] }));
  await expect(put()).rejects.toThrow("there is no method NOTHING; register a custom method with registerPeftMethod");
  registerPeftMethod(nothing);
  registerPeftMethod(nothing);
  expect((await put()).activeAdapter).toBe("default");
  expect((await knownMethods()).NOTHING).toBe(nothing);
  expect(() => registerPeftMethod({ ...lora })).toThrow("there is a method LORA already");
});
