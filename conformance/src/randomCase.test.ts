import { expect, test } from "vitest";
import { lowrankConfig, type PeftType, peftConfig } from "./adapterCase.ts";
import { casesOf, drawnMethods } from "./methods/index.ts";
import { randomCase } from "./randomCase.ts";

const draw = (seed: number, method: PeftType) => randomCase(seed, method, casesOf(method));

test.each(drawnMethods)("%s: a seed says the case, and Lowrank's configuration takes every option drawn", (method) => {
  const labels = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const drawn = draw(seed, method);
    expect(draw(seed, method)).toEqual(drawn);
    expect(lowrankConfig(drawn.adapter, "base")).toMatchObject(drawn.adapter.options);
    labels.add(JSON.stringify(drawn.adapter.options));
  }
  expect(labels.size).toBeGreaterThan(8);
});

test("options are spelled as PEFT spells them", () => {
  const adapter = {
    ...draw(1, "HRA").adapter,
    task: "CAUSAL_LM" as const,
    options: {
      applyGS: true,
      initWeights: false,
      rankPattern: { "self_attn.qProj": 2 },
      loftqConfig: { loftqBits: 4 },
    },
  };
  expect(peftConfig(adapter)).toEqual({
    peft_type: "HRA",
    task_type: "CAUSAL_LM",
    apply_GS: true,
    init_weights: false,
    rank_pattern: { "self_attn.qProj": 2 },
    loftq_config: { loftq_bits: 4 },
  });
});
