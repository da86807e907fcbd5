import { toCamelCase } from "@lowrank/core/internal";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../files/configFile.ts";
import { ownMethods } from "../testing/ownMethods.ts";
import type { PeftConfig } from "./peftConfig.ts";
// The defaults of PEFT 0.21.2's dataclasses, under the names in its files.
import peftDefaults from "./peftDefaults.gen.json" with { type: "json" };
import type { Warning } from "./warning.ts";

const methods = await ownMethods();
type Name = keyof typeof methods;

const make = (type: Name, options: object = {}): PeftConfig =>
  new (methods[type].Config as new (options: object) => PeftConfig)(options);

/** Returns another value of the same type. */
function otherThan(value: unknown): unknown {
  if (typeof value === "boolean") return !value;
  if (typeof value === "number") return value + 1;
  return typeof value === "string" ? `${value}x` : { x: 1 };
}

describe.each(Object.entries<Record<string, unknown>>(peftDefaults))("%s", (type, defaults) => {
  const read = (fields: object) => {
    const warnings: Warning[] = [];
    const { config } = parseConfig({ peft_type: type, peft_version: "0.21.2", ...fields }, methods, "f", (one) =>
      warnings.push(one),
    );
    return { config, warnings };
  };
  const own = make(type as Name);
  const foreign = Object.entries(defaults).filter(([key]) => !Object.hasOwn(own, toCamelCase(key)) && key !== "deltaT");

  test("a file with the default of every field of PEFT is read without a warning", () => {
    const { config, warnings } = read(defaults);
    expect(warnings).toEqual([]);
    if (defaults.task_type !== null || config.taskType === null) expect(config).toEqual(own);
  });

  test("fields of PEFT that are not here take their default only", () => {
    const { name } = methods[type as Name].Config;
    for (const [key, value] of foreign) {
      const camel = toCamelCase(key);
      expect(make(type as Name, { [camel]: value })).toEqual(own);
      const other = otherThan(value);
      expect(() => make(type as Name, { [camel]: other }), key).toThrow(
        expect.objectContaining({
          message: `${name}: ${camel} is ${JSON.stringify(other)}, which is not supported; leave it out`,
          ...{ code: "invalid_option", where: name, option: camel, value: other },
        }),
      );
      if (Object.hasOwn(methods[type as Name].format.refused, key)) {
        expect(() => read({ [key]: other }), key).toThrow(
          new Error(`f: ${key} is ${JSON.stringify(other)}, which ${type} here does not support`),
        );
      } else {
        const message = `f: these fields are not used: ${key}`;
        expect(read({ [key]: other }).warnings).toEqual([{ code: "unused-field", message }]);
      }
    }
  });
});

const integer = (field: string, least = 1): [string, unknown[], unknown[], string] => [
  field,
  [least, least + 1],
  [least - 1, least + 0.5, "1"],
  `an integer of at least ${least}`,
];
const share = (field: string): [string, unknown[], unknown[], string] => [
  field,
  [0, 0.99],
  [1, -0.01, Number.NaN],
  "from 0 up to but excluding 1",
];
const flag = (field: string): [string, unknown[], unknown[], string] => [
  field,
  [true, false],
  ["true", 1],
  "true or false",
];
const finite = (field: string): [string, unknown[], unknown[], string] => [
  field,
  [-1, 0, 2.5],
  [Number.POSITIVE_INFINITY, Number.NaN, "1"],
  "a finite number",
];
const pattern = (field: string, good: number, bad: number): [string, unknown[], unknown[], string] => [
  field,
  [{}, { up: good }],
  [{ up: bad }, ["up"], 3],
  "",
];
const own = [flag("initWeights")];
const lycoris = [
  ...["rankDropout", "moduleDropout"].map(share),
  ...[integer("r"), finite("alpha"), pattern("rankPattern", 1, 0), pattern("alphaPattern", 0.5, Number.NaN)],
];
const between: [string, unknown[], unknown[], string][] = ["beta1", "beta2"].map((field) => [
  field,
  [0.001, 0.999],
  [0, 1, Number.NaN],
  "between 0 and 1",
]);
const prompt = [...["tokenDim", "numAttentionHeads", "numLayers", "numVirtualTokens"].map((field) => integer(field))];

/** By method: a field, accepted values, rejected values, and the requirement in the error. */
const limits: Partial<Record<Name, (readonly [string, unknown[], unknown[], string])[]>> = {
  LORA: [
    ...[integer("r"), finite("loraAlpha"), share("loraDropout"), flag("useRslora"), flag("useDora"), flag("loraBias")],
    ...[pattern("rankPattern", 1, 0), pattern("alphaPattern", 0, Number.NaN), flag("fanInFanOut")],
    ["bias", ["none", "all", "lora_only"], ["own", true], '"none", "all" or "lora_only"'],
    ["layersToTransform", [null, 0, [0, 2]], [0.5, [1.5], "1"], "null, a number of a layer or a list of them"],
    ["trainableTokenIndices", [null, [0], { e: [0, 3] }], [[-1], [0.5], { e: [-1] }, 3], "null, a list of tokens, or"],
    ["initLoraWeights", [true, false, "gaussian", "pissa_niter_4", "olora"], ["pissa_niter_", "x"], "true, false, "],
  ],
  ADALORA: [
    ...["targetR", "initR", "deltaT"].map((field) => integer(field)),
    ...[integer("tinit", 0), integer("tfinal", 0), finite("loraAlpha"), share("loraDropout"), ...between],
    flag("initLoraWeights"),
    ["orthRegWeight", [0, 0.1], [-0.1, Number.NaN, Number.POSITIVE_INFINITY], "at least 0"],
    ["totalStep", [null, 1], [0, 1.5], "an integer of at least 1"],
    ["rankPattern", [null, {}, { a: [true, false] }], [{ a: [1] }, { a: true }, [true]], "null, or lists of true"],
    ["bias", ["none", "all", "lora_only"], ["own"], '"none", "all" or "lora_only"'],
  ],
  BEFT: [...own],
  TRAINABLE_TOKENS: [...own, ["tokenIndices", [[], [0, 3]], [[-1], [0.5], 3], "a list of token ids"]],
  LOHA: [...lycoris, ...own],
  LOKR: [
    ...lycoris,
    ...[flag("decomposeBoth"), flag("rankDropoutScale")],
    ["decomposeFactor", [-1, 1, 2], [0, -2, 1.5], "an integer of at least 1"],
    ["initWeights", [true, false, "lycoris"], ["x"], 'true, false or "lycoris"'],
  ],
  VERA: [integer("r"), share("veraDropout"), finite("dInitial"), flag("saveProjection"), ...own],
  PVERA: [
    ...[integer("r"), share("pveraDropout"), finite("dInitial"), flag("saveProjection"), flag("sampleAtInference")],
    ...[integer("generatorSeed", 0), ...own],
  ],
  RANDLORA: [
    integer("r"),
    share("randloraDropout"),
    finite("randloraAlpha"),
    flag("sparse"),
    flag("verySparse"),
    ...own,
  ],
  FOURIERFT: [integer("nFrequency"), finite("scaling"), pattern("nFrequencyPattern", 1, 0), ...own],
  GLORA: [
    ...[integer("r"), ...own],
    ["configAB", ["lora", "vector", "constant", "none"], ["x"], '"lora", "vector", "constant" or "none"'],
    ["configC", ["lora", "vector", "none"], ["constant"], '"lora", "vector" or "none"'],
    ["configDE", ["vector", "constant", "none"], ["lora"], '"vector", "constant" or "none"'],
    ["bias", ["none", "all", "glora_only"], ["own"], '"none", "all" or "glora_only"'],
  ],
  LILY: [integer("r"), integer("strideA"), integer("numB", 2), finite("scaling"), ...own],
  POLY: [
    ...["r", "nTasks", "nSkills", "nSplits"].map((field) => integer(field)),
    ...own,
    ["polyType", ["poly"], ["x"], '"poly"'],
  ],
  WAVEFT: [
    ...[integer("nFrequency"), finite("scaling"), pattern("nFrequencyPattern", 1, 0), ...own],
    ...[flag("useIdwt"), flag("proportionalParameters")],
    ["waveletFamily", ["db1", "db10", "sym2", "coif4"], ["haar", "db11", "coif5"], '"db1", "db2"'],
    ["bias", ["none", "all", "waveft_only"], ["own"], '"none", "all" or "waveft_only"'],
  ],
  SHIRA: [
    ...[integer("r"), ...own],
    ["randomSeed", [null, 0, -3], [0.5, "1"], "an integer of at least"],
    ["maskType", ["random", "mine"], [3], "a text"],
  ],
  SUPERTUNING: [
    ...[share("sparsity"), share("loraDropout"), flag("selectTop"), flag("savePrecomputedIndices"), ...own],
    ["r", [null, 1, 8], [0, 1.5], "an integer of at least 1"],
    ["loraAlpha", [null], [4, 0], "null, since r is null"],
  ],
  DEFT: [
    ...[integer("r"), share("deftDropout"), flag("para"), ...own],
    ["decompositionMethod", ["relu", "qr"], ["svd"], '"relu" or "qr"'],
    ["initScale", [0, 1.5], [-1], "at least 0"],
    ["alpha", [null, 0, 4], [Number.NaN, "4"], "a finite number"],
    ["bias", ["none", "all", "deft_only"], ["own"], '"none", "all" or "deft_only"'],
  ],
  PEANUT: [
    ...[integer("r"), integer("depth", 0), finite("scaling"), ...own],
    ["actFn", ["relu", "quick_gelu"], ["prelu", "xielu"], '"relu", "gelu"'],
  ],
  C3A: [
    ...[integer("blockSize"), pattern("blockSizePattern", 1, 0), ...own.filter(([field]) => field !== "initWeights")],
    ["initWeights", [true, false, "gaussian", "kaiming_uniform", "xavier_uniform"], ["x"], "true, false, "],
  ],
  VBLORA: [
    ...["r", "vectorLength"].map((field) => integer(field)),
    ...[share("vbloraDropout"), finite("initVectorBankBound"), finite("initLogitsStd"), flag("saveOnlyTopkWeights")],
    ["topk", [1, 256], [257], "at most numVectors (256)"],
    ["numVectors", [2, 3], [0], "an integer of at least 1"],
  ],
  TINYLORA: [
    ...[integer("r"), integer("u"), share("tinyloraDropout"), flag("saveProjection")],
    ["weightTying", [0, 0.3, 1], [-0.1, 1.1, Number.NaN], "from 0 to 1"],
    ["projectionSeed", [0, -3, 2 ** 40], [0.5, "1"], "an integer of at least"],
    ["initVBound", [0, 0.5], [-1, Number.NaN, Number.POSITIVE_INFINITY], "at least 0"],
    ["bias", ["none", "all", "tinylora_only"], ["own"], '"none", "all" or "tinylora_only"'],
    ["initWeights", [true, false, "uniform"], ["x"], 'true, false or "uniform"'],
  ],
  UNILORA: [
    ...[integer("r"), integer("projSeed", 0), integer("thetaDLength"), share("uniloraDropout"), flag("saveIndices")],
    ["initThetaDBound", [0.02, 3], [0, -1, Number.NaN], "a number above 0"],
    ["bias", ["none", "all", "unilora_only"], ["lora_only"], '"none", "all" or "unilora_only"'],
    ...own,
  ],
  DELORA: [
    ...[integer("r"), finite("deloraLambda"), share("moduleDropout"), ...own],
    ...[pattern("rankPattern", 1, 0), pattern("lambdaPattern", 0, Number.NaN)],
  ],
  GRALORA: [
    ...[integer("hybridR", 0), finite("alpha"), share("graloraDropout"), ...own],
    ["r", [2, 32], [33], "a multiple of graloraK (2)"],
  ],
  HRA: [integer("r"), flag("applyGS"), ...own],
  ROAD: [
    ["variant", ["road_1", "road_2", "road_4"], ["road_3"], '"road_1", "road_2" or "road_4"'],
    ["groupSize", [2, 6], [0, 1, 2.5], "an integer of at least 2"],
    ...own,
  ],
  ADAMSS: [
    ...[integer("r"), integer("numSubspaces"), flag("useDynamicRank"), finite("svdThreshold")],
    ["subspaceRank", [1, 100], [0, 1.5], "an integer of at least 1"],
    ["initWeights", ["orthogonal", null], ["x", true], '"orthogonal" or null'],
  ],
  PSOFT: [
    ...[integer("r"), share("psoftDropout"), flag("psoftOrth"), flag("psoftMagA")],
    ["psoftAlpha", [-1, 2.5], [Number.NaN, Number.POSITIVE_INFINITY], "a finite number"],
    ["psoftAlpha", [-1, 2.5], [0], "other than 0"],
    ...[flag("psoftMagB"), flag("useCayleyNeumann"), flag("initWeights")],
    ["abSvdInit", ["psoft_init", "pissa_init"], ["x"], '"psoft_init" or "pissa_init"'],
    ["psoftSvd", ["full", "lowrank"], ["x"], '"full" or "lowrank"'],
    ["psoftSvdLowrankNiter", [0, 20], [-1, 0.5], "an integer of at least 0"],
    ["randomSeed", [0, -3], [0.5], "an integer of at least"],
    ["numCayleyNeumannTerms", [0, 5, 2000], [0.5], "an integer of at least"],
    ["cayleyNeumannEps", [null, 0.5, 2], [Number.NaN], "a finite number"],
  ],
  FROD: [
    ["sparseRate", [0, 1, 0.5], [-0.1, 1.1], "from 0 to 1"],
    ["saveProjection", [true], [false], "true"],
    ...[finite("regularizationAlpha"), share("frodDropout"), ...own],
  ],
  OSF: [
    ["effectiveRank", [null, 1, 8, 0.25], [0, -1, 1.5, "1"], "an integer of at least 1, or a fraction between 0 and 1"],
    ...[pattern("rankPattern", 0.5, 2.5), ...own],
  ],
  HIRA: [
    ...[integer("r"), share("hiraDropout")],
    ["initWeights", [true, false, "gaussian", null], ["x"], 'true, false, "gaussian" or null'],
  ],
  MISS: [
    ...[integer("r"), integer("miniR"), share("missDropout")],
    ["initWeights", [true, false, "bat", "mini"], ["x"], 'true, false, "bat" or "mini"'],
  ],
  OFT: [
    ...[share("moduleDropout"), finite("eps"), flag("coft"), flag("blockShare"), flag("useCayleyNeumann"), ...own],
    ["numCayleyNeumannTerms", [0, 1000], [1001], "at most 1000"],
    ["oftBlockSize", [1, 64], [-1], "an integer of at least 0"],
  ],
  BOFT: [
    ...[integer("boftNButterflyFactor"), share("boftDropout"), ...own],
    ["boftBlockSize", [1, 4], [-1], "an integer of at least 0"],
    ["boftBlockNum", [0], [-1], "an integer of at least 0"],
  ],
  IA3: [flag("initIa3Weights"), ["feedforwardModules", [null, [], ".*"], [[1], 3], "null, a list of names or a text"]],
  PREFIX_TUNING: [
    ...[...prompt, integer("encoderHiddenSize"), flag("prefixProjection")],
    ["initWeights", ["zero", null], [true], '"zero" or null'],
    ["numTransformerSubmodules", [1, null], [2], "1, since encoder-decoder models are not supported"],
  ],
  P_TUNING: [
    ...[...prompt, integer("encoderHiddenSize"), integer("encoderNumLayers"), share("encoderDropout")],
    ["encoderReparameterizationType", ["MLP", "LSTM"], ["x"], '"MLP" or "LSTM"'],
  ],
  PROMPT_TUNING: [
    ...prompt,
    ["promptTuningInit", ["RANDOM", "SAMPLE_VOCAB"], ["x"], '"RANDOM", "SAMPLE_VOCAB" or "TEXT"'],
  ],
  ADAPTION_PROMPT: [integer("adapterLen"), integer("adapterLayers")],
  BOTTLENECK: [
    ...["originalLnBefore", "originalLnAfter", "lnAfter", "isParallel", "useGating", "adapterResidualBeforeLn"].map(
      flag,
    ),
    share("dropout"),
    ["reductionFactor", [0.5, 1, { "0": 2 }], [0, Number.POSITIVE_INFINITY, { "0": -1 }], "a number above 0"],
    ["scaling", [-1, 0, "learned", "channel"], [Number.NaN], 'a finite number, "learned" or "channel"'],
    ["leaveOut", [[], [0, 3]], [[0.5], [-1]], "an integer of at least 0"],
    ["initWeights", ["bert", "mam_adapter", "houlsby"], ["x"], '"bert", "mam_adapter" or "houlsby"'],
  ],
};

describe.each(Object.entries(limits))("%s", (type, fields) => {
  test.each(fields)("%s takes %j and refuses others", (field, good, bad, must) => {
    const { name } = methods[type as Name].Config;
    for (const value of good) expect(make(type as Name, { [field]: value }), field).toHaveProperty(field, value);
    for (const value of bad) {
      const build = () => make(type as Name, { [field]: value });
      expect(build, JSON.stringify(value)).toThrow(`${name}: ${field}`);
      expect(build, JSON.stringify(value)).toThrow(must);
    }
  });
});

test("fields that go together only", () => {
  const refused: [Name, object, string][] = [
    ["LORA", { loraBias: true, useDora: true }, "loraBias is true; it must be false with useDora"],
    ["LORA", { loraBias: true, initLoraWeights: "gaussian" }, "it must be true or false with loraBias"],
    ["LORA", { r: 3, initLoraWeights: "orthogonal" }, 'r is 3; it must be even with initLoraWeights: "orthogonal"'],
    ["LORA", { r: 2, rankPattern: { a: 3 }, initLoraWeights: "orthogonal" }, "r is 3; it must be even"],
    ["LORA", { initLoraWeights: "eva", evaConfig: { rho: 0.99 } }, "evaConfig.rho is 0.99; it must be at least 1"],
    ["LORA", { initLoraWeights: "eva", evaConfig: { tau: 1.01 } }, "evaConfig.tau is 1.01; it must be from 0 to 1"],
    ["LORA", { initLoraWeights: "eva", evaConfig: { tau: -0.01 } }, "evaConfig.tau is -0.01; it must be from 0 to 1"],
    ["LORA", { initLoraWeights: "eva", evaConfig: { x: 1 } }, "LoraConfig: evaConfig"],
    ["LORA", { initLoraWeights: "loftq", loftqConfig: { loftqBits: 2 } }, "loftqConfig.loftqBits is 2; it must be 4"],
    ["LORA", { initLoraWeights: "loftq", loftqConfig: { loftqIter: 0 } }, "loftqConfig.loftqIter is 0"],
    ["LORA", { loftqConfig: { loftqIter: 1 } }, 'loftqConfig is given without initLoraWeights: "loftq"'],
    ["LORA", { evaConfig: { rho: 1 } }, 'evaConfig is given without initLoraWeights: "eva"'],
    ["LORA", { targetModules: ".*", layersToTransform: 1 }, "a list, since layersToTransform or layersPattern is set"],
    ["LORA", { layersPattern: "layers" }, "layersToTransform is null; it must be set, since layersPattern is set"],
    ["ADALORA", { totalStep: 5, tinit: 2, tfinal: 3 }, "totalStep is 5; it must be more than tinit + tfinal, 5"],
    ["OFT", { r: 0, oftBlockSize: 0 }, "r is 0"],
    ["BOFT", { boftBlockNum: 1 }, "boftBlockNum is 1"],
    ["PROMPT_TUNING", { promptTuningInit: "TEXT" }, 'it must be set, since promptTuningInit is "TEXT"'],
    ["BOTTLENECK", { outputAdapter: false }, "outputAdapter is false; it must be true, since mhAdapter is false"],
  ];
  for (const [type, options, message] of refused) expect(() => make(type, options), message).toThrow(message);
  const taken: [Name, object][] = [
    ["LORA", { r: 4, rankPattern: { a: 2 }, initLoraWeights: "orthogonal" }],
    ["LORA", { initLoraWeights: "eva", evaConfig: { rho: 1, tau: 0 } }],
    ["LORA", { initLoraWeights: "eva", evaConfig: { tau: 1 } }],
    ["LORA", { initLoraWeights: "loftq", loftqConfig: { loftqIter: 1 } }],
    ["LORA", { initLoraWeights: true, loftqConfig: { loftqIter: 1 } }],
    ["LORA", { layersPattern: "layers", layersToTransform: 0 }],
    ["ADALORA", { totalStep: 6, tinit: 2, tfinal: 3 }],
    ["BOTTLENECK", { outputAdapter: false, mhAdapter: true }],
    ["BOTTLENECK", { residualBeforeLn: "post_add", originalLnBefore: true }],
  ];
  for (const [type, options] of taken) expect(make(type, options)).toMatchObject(type === "LORA" ? {} : options);
  expect(make("LORA", { initLoraWeights: "loftq" })).toHaveProperty("loftqConfig", { loftqBits: 4, loftqIter: 1 });
  const { evaConfig } = make("LORA", { initLoraWeights: "eva" }) as PeftConfig & { evaConfig: unknown };
  // The defaults of PEFT's EvaConfig.
  expect(evaConfig).toEqual({
    ...{ rho: 2, tau: 0.99, useLabelMask: true, labelMaskValue: -100, whiten: false, adjustScalingFactors: true },
  });
});

test("bottleneck adapters have the defaults of AdapterHub's BnConfig", () => {
  // Fields of BnConfig that are not options here accept only these values.
  const absent = {
    ...{ lnBefore: false, invAdapter: null, crossAdapter: false, phmLayer: false, stochasticDepth: 0 },
    ...{ initWeightsSeed: null, invAdapterReductionFactor: null, phmDim: 4, factorizedPhm_W: true },
    ...{ sharedPhmRule: true, factorizedPhmRule: false, phmCInit: "normal", phmInitRange: 0.0001 },
    ...{ learnPhm: true, hypercomplexNonlinearity: "glorot-uniform", phmRank: 1, phmBias: true },
  };
  for (const [key, value] of Object.entries(absent)) {
    if (key.includes("_")) continue;
    expect(make("BOTTLENECK", { [key]: value })).toEqual(make("BOTTLENECK"));
    expect(() => make("BOTTLENECK", { [key]: otherThan(value) }), key).toThrow(`${key} is`);
  }
  expect(make("BOTTLENECK")).toMatchObject({
    ...{ mhAdapter: false, outputAdapter: true, reductionFactor: 16, nonLinearity: "relu", scaling: 1, leaveOut: [] },
    ...{ originalLnBefore: false, originalLnAfter: true, lnAfter: false, initWeights: "bert", isParallel: false },
    ...{ useGating: false, residualBeforeLn: true, adapterResidualBeforeLn: false, dropout: 0, name: "default" },
  });
});

test("a configuration is an object", () => {
  for (const json of [null, [], "x", 3]) {
    expect(() => parseConfig(json, methods, "f", () => {})).toThrow(new Error("f is not a JSON object"));
  }
});
