import { sizeOf } from "@lowrank/core";
import { describeConfig, presetConfig } from "@lowrank/models";
import { presetJson } from "@lowrank/models/internal";
import {
  AdaLoraConfig,
  BeftConfig,
  BOFTConfig,
  C3AConfig,
  DeloraConfig,
  type DescribeAdapterOptions,
  DoubleSeqBnConfig,
  FourierFTConfig,
  GloraConfig,
  GraloraConfig,
  HiraConfig,
  IA3Config,
  LilyConfig,
  type LilyOptions,
  LNTuningConfig,
  LoKrConfig,
  LoraConfig,
  type LoraOptions,
  type ModelShapes,
  type PeftConfig,
  PrefixTuningConfig,
  PromptEncoderConfig,
  PromptTuningConfig,
  RandLoraConfig,
  RoadConfig,
  reportAdapter,
  SeqBnConfig,
  ShiraConfig,
  TrainableTokensConfig,
  VBLoRAConfig,
  VeraConfig,
  WaveFTConfig,
} from "@lowrank/peft";

/** Number from a paper or table, with a function that computes it with Lowrank. */
export interface PublishedNumber {
  /** Paper or table that prints the number. */
  readonly source: string;
  readonly what: string;
  /** Number as printed: "4.7M", "36.8K", "0.83 %", "4,194,304", "≈40K". */
  readonly published: string;
  compute(): number | Promise<number>;
  /** Reason why the published and the computed number differ, or assumptions of the computed number. */
  readonly reading?: string;
}

const shapes = new Map<string, ModelShapes>();

/** Returns the shapes of a preset's model. */
function model(name: string): ModelShapes {
  const known = shapes.get(name) ?? describeConfig(presetJson(name) ?? presetConfig(name), { where: `preset ${name}` });
  shapes.set(name, known);
  return known;
}

// The paper's GPT-3 has separate query and value matrices, 192 in all. GPT-2 has one joint matrix per layer. BERT's
// layout is used instead.
const gpt3Matrices = () =>
  describeConfig({ architectures: ["BertModel"], model_type: "bert", hidden_size: 12288, num_hidden_layers: 96 });

const on = (shapes: string | ModelShapes, config: PeftConfig, options: DescribeAdapterOptions = {}) =>
  reportAdapter(typeof shapes === "string" ? model(shapes) : shapes, config, options);
const trains = (shapes: string, config: PeftConfig) => async () => (await on(shapes, config)).trainable;
const percent = (shapes: string, config: PeftConfig) => async () => (await on(shapes, config)).percent;
/** Returns a function that computes the size of an adapter's file on a base model in bf16. */
const fileOnBf16 = (shapes: string, config: PeftConfig) => async () =>
  (await on(shapes, config, { dtype: "bf16" })).bytesSaved;
const parameters =
  (name: string, wanted: (name: string) => boolean = () => true) =>
  () =>
    model(name).parameters.reduce((sum, { name, shape }) => sum + (wanted(name) ? sizeOf(shape) : 0), 0);

const lora = (options: LoraOptions) => new LoraConfig(options);
const rank = (r: number) => lora({ r });
const fiveLinears = ["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"];
const dora = (r: number) => lora({ r, useDora: true, targetModules: fiveLinears });
/** Configuration of Houlsby's two adapters per block, with `width` hidden units each. */
const houlsby = (hidden: number, width: number) => new DoubleSeqBnConfig({ reductionFactor: hidden / width });
/**
 * Configuration of one adapter per block with `width` hidden units: with a norm (Lin et al. 2020) or without (Pfeiffer
 * et al. 2020).
 */
const one = (hidden: number, width: number, lnAfter = false) =>
  new SeqBnConfig({ reductionFactor: hidden / width, lnAfter });

type Entry = readonly [what: string, published: string, compute: () => number | Promise<number>, reading?: string];

const from = (source: string, entries: readonly Entry[]): PublishedNumber[] =>
  entries.map(([what, published, compute, reading]) => ({ source, what, published, compute, reading }));

const asFused = "rank r on the fused c_attn is as many numbers as r on queries and r on values";
const budget = "the budget of 0.1 % of the model, not a count; the released checkpoint holds what is computed";
const nominal = "the size that the model goes by";
const reused = "taken over from another paper";
const truncated = "cut, not rounded";
const noFormula = "no formula that is stated gives it";

const loraPaper: PublishedNumber[] = [
  ...from("LoRA, Table 3", [
    ["GPT-2 M, all", "354.92M", parameters("gpt2-medium"), "GPT-2 L agrees to the digit; likely a typing error"],
    ["GPT-2 M, one adapter a block, 6 wide", "0.37M", trains("gpt2-medium", one(1024, 6, true))],
    ["GPT-2 M, one adapter a block, 224 wide", "11.09M", trains("gpt2-medium", one(1024, 224, true))],
    [
      "GPT-2 M, Houlsby, 112 wide",
      "11.09M",
      trains("gpt2-medium", houlsby(1024, 112)),
      "no whole width gives it; 112 is nearest",
    ],
    ["GPT-2 M, the top two blocks", "25.19M", parameters("gpt2-medium", (name) => /\.h\.2[23]\./.test(name))],
    ["GPT-2 M, LoRA r=4", "0.35M", trains("gpt2-medium", rank(4)), budget],
    ["GPT-2 L, all", "774.03M", parameters("gpt2-large")],
    ["GPT-2 L, one adapter a block, 8 wide", "0.88M", trains("gpt2-large", one(1280, 8, true))],
    ["GPT-2 L, one adapter a block, 248 wide", "23.00M", trains("gpt2-large", one(1280, 248, true))],
    ["GPT-2 L, LoRA r=4", "0.77M", trains("gpt2-large", rank(4)), budget],
  ]),
  ...from("LoRA, Table 4", [
    ["GPT-3, all", "175,255.8M", parameters("gpt3-175b"), "no known formula gives it"],
    [
      "GPT-3, biases of the blocks",
      "14.2M",
      parameters("gpt3-175b", (name) => /\.h\..*\.bias$/.test(name)),
      "a twelfth bias for each block would give 14,155,776",
    ],
    ["GPT-3, 264 virtual embeddings", "3.2M", trains("gpt3-175b", new PromptTuningConfig({ numVirtualTokens: 264 }))],
    [
      "GPT-3, 16 virtual activations a layer",
      "20.2M",
      async () => (await on("gpt3-175b", new PrefixTuningConfig({ numVirtualTokens: 16 }))).trainable / 2,
      noFormula,
    ],
    ["GPT-3, Houlsby, 1 wide", "7.1M", trains("gpt3-175b", houlsby(12288, 1))],
    ["GPT-3, Houlsby, 8 wide", "40.1M", trains("gpt3-175b", houlsby(12288, 8))],
    ["GPT-3, LoRA r=1", "4.7M", trains("gpt3-175b", rank(1)), asFused],
    ["GPT-3, LoRA r=8", "37.7M", trains("gpt3-175b", rank(8)), asFused],
  ]),
  ...from("LoRA, Table 15", [
    ["GPT-3, LoRA r=2", "9.4M", trains("gpt3-175b", rank(2))],
    ["GPT-3, LoRA r=4", "18.9M", trains("gpt3-175b", rank(4))],
    ["GPT-3, LoRA r=64", "301.9M", trains("gpt3-175b", rank(64)), truncated],
    ["GPT-3, LoRA r=128", "603.8M", trains("gpt3-175b", rank(128)), "twice the number that was cut before"],
    ["GPT-3, Houlsby, 4 wide", "21.2M", trains("gpt3-175b", houlsby(12288, 4))],
    ["GPT-3, Houlsby, 16 wide", "77.9M", trains("gpt3-175b", houlsby(12288, 16))],
    ["GPT-3, Houlsby, 64 wide", "304.4M", trains("gpt3-175b", houlsby(12288, 64))],
    [
      "GPT-3, 40 virtual embeddings",
      "0.4M",
      trains("gpt3-175b", new PromptTuningConfig({ numVirtualTokens: 40 })),
      "cut, or the 8 behind the prompt left out",
    ],
    ["GPT-3, 72 virtual embeddings", "0.9M", trains("gpt3-175b", new PromptTuningConfig({ numVirtualTokens: 72 }))],
    ["GPT-3, 136 virtual embeddings", "1.7M", trains("gpt3-175b", new PromptTuningConfig({ numVirtualTokens: 136 }))],
    ["GPT-3, 520 virtual embeddings", "6.4M", trains("gpt3-175b", new PromptTuningConfig({ numVirtualTokens: 520 }))],
    [
      "GPT-3, 64 virtual activations a layer",
      "76.1M",
      async () => (await on("gpt3-175b", new PrefixTuningConfig({ numVirtualTokens: 64 }))).trainable / 2,
      noFormula,
    ],
  ]),
  ...from("LoRA, Table 2", [
    ["RoBERTa-base, all", "125.0M", parameters("roberta-base"), nominal],
    ["RoBERTa-large, all", "355.0M", parameters("roberta-large"), nominal],
    ["DeBERTa XXL, all", "1500.0M", parameters("deberta-v2-xxlarge"), nominal],
    ["RoBERTa-base, biases", "0.1M", parameters("roberta-base", (name) => name.endsWith("bias"))],
    [
      "RoBERTa-base, an adapter in 4 of 12 layers, 48 wide",
      "0.3M",
      trains("roberta-base", new SeqBnConfig({ leaveOut: [0, 1, 2, 3, 4, 5, 6, 7] })),
    ],
    ["RoBERTa-base, an adapter a layer, 48 wide", "0.9M", trains("roberta-base", one(768, 48))],
    ["RoBERTa-base, LoRA r=8", "0.3M", trains("roberta-base", rank(8))],
    ["RoBERTa-large, LoRA r=8", "0.8M", trains("roberta-large", rank(8))],
    ["RoBERTa-large, Pfeiffer, 64 wide", "3.0M", trains("roberta-large", one(1024, 64)), reused],
    ["RoBERTa-large, Pfeiffer, 16 wide", "0.8M", trains("roberta-large", one(1024, 16))],
    ["RoBERTa-large, Houlsby, 64 wide", "6.0M", trains("roberta-large", houlsby(1024, 64)), reused],
    ["RoBERTa-large, Houlsby, 8 wide", "0.8M", trains("roberta-large", houlsby(1024, 8))],
    ["DeBERTa XXL, LoRA r=16", "4.7M", trains("deberta-v2-xxlarge", rank(16)), "the rank of the released scripts"],
    [
      "DeBERTa XXL, LoRA r=8",
      "4.7M",
      trains("deberta-v2-xxlarge", rank(8)),
      "Table 10 says r=8, the released scripts 16",
    ],
  ]),
];

const doraPaper = from("DoRA, Table 1", [
  ["LLaMA-7B, an adapter a block, 256 wide", "0.99 %", percent("llama-7b", one(4096, 256))],
  ["LLaMA-7B, LoRA r=32", "0.83 %", percent("llama-7b", lora({ r: 32, targetModules: fiveLinears }))],
  ["LLaMA-7B, DoRA r=16", "0.43 %", percent("llama-7b", dora(16))],
  ["LLaMA-7B, DoRA r=32", "0.84 %", percent("llama-7b", dora(32))],
  ["LLaMA-13B, LoRA r=32", "0.67 %", percent("llama-13b", lora({ r: 32, targetModules: fiveLinears }))],
  ["LLaMA-13B, DoRA r=16", "0.35 %", percent("llama-13b", dora(16))],
  ["LLaMA-13B, DoRA r=32", "0.68 %", percent("llama-13b", dora(32))],
  ["LLaMA3-8B, LoRA r=32", "0.70 %", percent("llama-3-8b", lora({ r: 32, targetModules: fiveLinears }))],
  ["LLaMA3-8B, DoRA r=16", "0.35 %", percent("llama-3-8b", dora(16)), "29,097,984 of 8,059,359,232 are 0.36 %"],
  ["LLaMA3-8B, DoRA r=32", "0.71 %", percent("llama-3-8b", dora(32))],
]);

const vera = (r: number) => new VeraConfig({ r, targetModules: ["query", "value"] });
const gpt3 = (config: PeftConfig) => async () => (await on(gpt3Matrices(), config)).trainable;
const veraPaper = from("VeRA, Table 1", [
  ["RoBERTa-base, LoRA r=1", "36.8K", trains("roberta-base", rank(1)), truncated],
  ["RoBERTa-base, VeRA r=1", "18.4K", trains("roberta-base", vera(1)), truncated],
  ["RoBERTa-base, LoRA r=16", "589.8K", trains("roberta-base", rank(16))],
  ["RoBERTa-base, VeRA r=16", "18.8K", trains("roberta-base", vera(16))],
  ["RoBERTa-base, LoRA r=256", "9437.1K", trains("roberta-base", rank(256)), truncated],
  ["RoBERTa-base, VeRA r=256", "24.5K", trains("roberta-base", vera(256)), truncated],
  ["RoBERTa-large, LoRA r=1", "98.3K", trains("roberta-large", rank(1))],
  ["RoBERTa-large, VeRA r=1", "49.2K", trains("roberta-large", vera(1))],
  ["RoBERTa-large, LoRA r=16", "1572.8K", trains("roberta-large", rank(16)), truncated],
  ["RoBERTa-large, VeRA r=16", "49.5K", trains("roberta-large", vera(16)), noFormula],
  ["RoBERTa-large, LoRA r=256", "25165.8K", trains("roberta-large", rank(256))],
  ["RoBERTa-large, VeRA r=256", "61.4K", trains("roberta-large", vera(256))],
  ["GPT-3, VeRA r=1", "2.4M", gpt3(vera(1))],
  ["GPT-3, VeRA r=16", "2.8M", gpt3(vera(16)), noFormula],
  ["GPT-3, VeRA r=256", "8.7M", gpt3(vera(256)), noFormula],
]);

const others = [
  ...from("Houlsby et al.", [
    ["BERT-base, adapters 64 wide", "≈2M", trains("bert-base", houlsby(768, 64))],
    [
      "BERT-large, adapters 64 wide, their share",
      "2.1 %",
      async () => (100 * (await on("bert-large", houlsby(1024, 64))).trainable) / parameters("bert-large")(),
      "with norms, 6,441,984 numbers, it is 1.92 %; what else is counted is not said",
    ],
    ["BERT-base, norms", "≈40K", trains("bert-base", new LNTuningConfig({ targetModules: ["LayerNorm"] }))],
  ]),
  ...from("Prefix tuning, E2E", [
    [
      "GPT-2 M, prefix of 5, its share",
      "0.1 %",
      async () =>
        (100 * (await on("gpt2-medium", new PrefixTuningConfig({ numVirtualTokens: 5 }))).trainable) /
        parameters("gpt2-medium")(),
      "a nominal budget; with the network of training it is 25,744,896 numbers",
    ],
  ]),
  ...from("QLoRA, released configuration", [["LLaMA 7B, PEFT's default", "4,194,304", trains("llama-7b", rank(8))]]),
  ...from("PEFT, printed counts", [
    ["LLaMA 7B, LoRA: all", "6,742,609,920", async () => (await on("llama-7b", rank(8))).total],
    ["LLaMA 7B, LoRA: share", "0.0622 %", percent("llama-7b", rank(8))],
    ["GPT-2, LoRA", "294,912", trains("gpt2", rank(8))],
  ]),
];

/** PEFT's comparison on Llama-3.2-3B: trainable parameters, and the file size in bytes. */
function methodComparison(): PublishedNumber[] {
  const name = "llama-3.2-3b";
  const cut = "bytes are those after training has cut ranks; what is computed is the file before";
  const lily = (options: LilyOptions) => new LilyConfig({ strideA: 14, ...options });
  const feedForward = ["gate_proj", "up_proj", "down_proj"];
  const rows: [what: string, config: PeftConfig, trainable: string, bytes: string, reading?: string][] = [
    ["LoRA r=32", rank(32), "9,175,040", "36,715,216"],
    ["rsLoRA r=64", lora({ r: 64, useRslora: true }), "18,350,080", "73,415,408"],
    ["DoRA r=32", lora({ r: 32, useDora: true }), "9,289,728", "37,181,760"],
    ["AdaLoRA r=64", new AdaLoraConfig({ initR: 64, targetR: 32, totalStep: 5000 }), "18,353,664", "35,131,056", cut],
    ["(IA)³", new IA3Config(), "286,720", "1,157,064"],
    ["prefix of 200", new PrefixTuningConfig({ numVirtualTokens: 200 }), "11,468,800", "45,875,328"],
    ["P-tuning, 20 tokens", new PromptEncoderConfig({ numVirtualTokens: 20 }), "28,382,208", "245,880"],
    ["VeRA r=256", new VeraConfig({ r: 256 }), "129,024", "6,821,968"],
    ["FourierFT 1000", new FourierFTConfig(), "56,000", "231,416"],
    ["C3A, blocks of 64", new C3AConfig({ blockSize: 64 }), "5,505,024", "22,027,512"],
    ["LoKr r=32, factor 4", new LoKrConfig({ r: 32, decomposeFactor: 4 }), "2,294,656", "9,199,776"],
    ["BOFT", new BOFTConfig(), "802,816", "3,225,360"],
    ["trainable tokens", new TrainableTokensConfig({ tokenIndices: [128000, 128001] }), "6,144", "49,424"],
    ["BEFT", new BeftConfig(), "28,672", "118,192"],
    ["RoAd, 2 values for each output", new RoadConfig({ variant: "road_2" }), "229,376", "931,480"],
    ["RandLoRA r=32", new RandLoraConfig(), "9,289,728", "2,211,281,240"],
    ["VB-LoRA", new VBLoRAConfig(), "1,212,416", "4,864,912"],
    ["HiRA r=32", new HiraConfig({ r: 32 }), "9,175,040", "36,714,432"],
    ["GraLoRA r=32", new GraloraConfig({ r: 32 }), "9,175,040", "36,714,960"],
    ["DeLoRA r=32", new DeloraConfig({ r: 32 }), "9,175,096", "37,417,520"],
    ["SHiRA r=32", new ShiraConfig({ r: 32, randomSeed: 42 }), "9,175,040", "110,115,520"],
    ["WaveFT 5000", new WaveFTConfig({ nFrequency: 5000 }), "280,000", "1,127,304"],
    ["GLoRA r=8", new GloraConfig(), "4,587,520", "19,204,328"],
    ["GLoRA, vectors", new GloraConfig({ configAB: "vector", configC: "vector" }), "229,376", "1,756,432"],
    ["Lily r=896", lily({ r: 896, targetModules: ["q_proj", "v_proj"] }), "18,450,432", "1,439,071,096"],
    ["Lily r=140, feed-forward", lily({ r: 140, targetModules: feedForward }), "9,485,280", "835,056,616"],
  ];
  const all = from("PEFT's comparison, Llama-3.2-3B", [["all", "3,212,749,824", parameters(name)]]);
  const each = rows.flatMap(([what, config, trainable, bytes, reading]) =>
    from("PEFT's comparison, Llama-3.2-3B", [
      [`${what}: trains`, trainable, trains(name, config)],
      [`${what}: bytes of the file`, bytes, fileOnBf16(name, config), reading],
    ]),
  );
  return [...all, ...each];
}

/** Rows of the published tables that cannot be computed here, each with the reason. */
export const omittedRows: readonly string[] = [
  "DoRA's parallel adapters, 3.54 %: 247,463,936 numbers 256 wide beside both feed-forward matrices, where no adapter here stands",
  "of PEFT's comparison, LoRA-FA and MiCA are LoRA's file of which a part trains: 36,715,216 bytes, as LoRA r=32; that they train less is not an option here",
  "of PEFT's comparison, FRoD, TinyLoRA and Uni-LoRA: methods that are newer than these tables",
];

/** Published numbers of papers and of PEFT, each with the function that computes it. */
export const publishedNumbers: readonly PublishedNumber[] = [
  ...loraPaper,
  ...doraPaper,
  ...veraPaper,
  ...others,
  ...methodComparison(),
];

/**
 * Result of comparing a published with a computed number. "exact": equal. "rounded": equal after rounding. "cut": equal
 * after cutting off digits. "differs": different.
 */
export type Agreement = "exact" | "rounded" | "cut" | "differs";

const units: Readonly<Record<string, number>> = { "": 1, "%": 1, K: 1e3, M: 1e6 };

/**
 * Compares two numbers at the precision with which the first is printed. For a number with "≈", only the digits before
 * its trailing zeros are compared.
 */
export function agreement(published: string, computed: number): Agreement {
  const [, about, text, unit] = /^(≈?)([\d,.]+) ?([KM%]?)$/.exec(published) ?? [];
  if (text === undefined) throw new Error(`${JSON.stringify(published)} is not a number that can be compared`);
  const printed = Number(text.replaceAll(",", ""));
  if (about) return roundTo(computed, digitsOf(printed)) === printed * units[unit] ? "rounded" : "differs";
  if (unit === "") return computed === printed ? "exact" : "differs";
  const decimals = text.split(".")[1]?.length ?? 0;
  const [steps, wanted] = [(computed / units[unit]) * 10 ** decimals, Math.round(printed * 10 ** decimals)];
  if (Math.round(steps) === wanted) return "rounded";
  return Math.floor(steps) === wanted ? "cut" : "differs";
}

const digitsOf = (n: number): number => String(n).replace(/0+$/, "").length;
const roundTo = (n: number, digits: number): number => Number(n.toPrecision(digits));
