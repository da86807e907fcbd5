import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { beforeAll } from "vitest";
import { type MethodFault, testFaults, withOtherConfig } from "../testing/plantedFaults.ts";

beforeAll(() => init(wasm()));

const faults: MethodFault[] = [
  {
    fault: "a rank that is ignored",
    property: "configIsApplied",
    Config: withOtherConfig((config) => config.with({ r: 2, rankPattern: {} })),
    options: { useDora: true },
    layer: /lora_A\.weight$/,
    message: /so that its rank is 2; the configuration has rank 3/,
  },
  {
    fault: "ranks of single layers that are ignored",
    property: "configIsApplied",
    Config: withOtherConfig((config) => config.with({ rankPattern: {} })),
    options: { useDora: true },
    layer: /q_proj\.lora_A\.weight$/,
    message: /so that its rank is 2; the configuration has rank 3/,
  },
  {
    fault: "a rank of a single layer that all layers get",
    property: "configIsApplied",
    Config: withOtherConfig((config) => config.with({ r: Object.values(config.rankPattern)[0] ?? config.r })),
    options: { loraBias: true },
    layer: /lora_A\.weight$/,
    message: /so that its rank is 3; the configuration has rank 2/,
  },
  ...[{ useDora: true }, { loraBias: true }, {}].map((options): MethodFault => {
    return {
      fault: `alpha that is ignored, with ${JSON.stringify(options)}`,
      property: "configIsApplied",
      Config: withOtherConfig((config) => config.with({ loraAlpha: 4, alphaPattern: {} })),
      options,
      layer: /q_proj$/,
      message: /with loraAlpha 16 instead of 8, compared with twice B, .* expected, .* with this loraAlpha\)/,
    };
  }),
  {
    fault: "dropout that is ignored",
    property: "configIsApplied",
    Config: withOtherConfig((config) => config.with({ loraDropout: 0 })),
    layer: /q_proj$/,
    message: /with loraDropout 0\.5, .* has the same outputs in training mode as in evaluation/,
  },
  {
    fault: "alpha that is ignored unless a layer has its own",
    property: "configIsApplied",
    Config: withOtherConfig((config, { path }) => {
      const [[key, own] = ["", 4]] = Object.entries(config.alphaPattern);
      return config.with({ loraAlpha: key === path ? own : 4, alphaPattern: {} });
    }),
    options: { useDora: true, loraAlpha: 4 },
    layer: /q_proj$/,
    message: /loraAlpha/,
  },
  {
    fault: "alphas of single layers that are ignored",
    property: "configIsApplied",
    Config: withOtherConfig((config) => config.with({ alphaPattern: {} })),
    options: { useDora: true },
    layer: /q_proj$/,
    message: /with alphaPattern \{ "model\.layers\.0\.self_attn\.q_proj": 16 \} and loraAlpha 8/,
  },
];

testFaults(faults);
