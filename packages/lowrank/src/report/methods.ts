import {
  AdaLoraConfig,
  AdaptionPromptConfig,
  BitFitConfig,
  BOFTConfig,
  DeloraConfig,
  DoubleSeqBnConfig,
  FourierFTConfig,
  GraloraConfig,
  HiraConfig,
  HRAConfig,
  IA3Config,
  LNTuningConfig,
  LoHaConfig,
  LoKrConfig,
  LoraConfig,
  MissConfig,
  OFTConfig,
  ParBnConfig,
  type PeftConfig,
  PrefixTuningConfig,
  PromptEncoderConfig,
  PromptTuningConfig,
  RandLoraConfig,
  SeqBnConfig,
  VBLoRAConfig,
  VeraConfig,
} from "@lowrank/peft";

/** What a method's configuration is made from. */
interface MethodSettings {
  /** Of methods that have a rank. */
  r: number;
  /** Of methods that choose layers by name; null: PEFT's default for the model and method. */
  targetModules: string | readonly string[] | null;
  virtualTokens: number;
  /** Optimiser steps of the training, by which AdaLoRA plans. */
  steps: number;
}

/** A way of fine-tuning, as `report` and `compare` set it up. */
export interface Method {
  /** The word for it on the command line. */
  readonly name: string;
  readonly title: string;
  /** The linear layers of the base model are packed to NF4. */
  readonly quantized?: true;
  /** A peak of AdamW's learning rate that suits it on small models. */
  readonly learningRate: number;
  /** null: the whole model trains. */
  config(settings: MethodSettings): PeftConfig | null;
}

const lora = ({
  r,
  targetModules,
}: MethodSettings): { r: number; loraAlpha: number; targetModules: MethodSettings["targetModules"] } => {
  return { r, loraAlpha: 2 * r, targetModules };
};

/** The methods by which models can be compared, the default ones of `compare` first. */
export const methods: readonly Method[] = [
  { name: "full", title: "full fine-tuning", learningRate: 1e-3, config: () => null },
  { name: "lora", title: "LoRA", learningRate: 3e-3, config: (s) => new LoraConfig(lora(s)) },
  { name: "qlora", title: "QLoRA (NF4)", quantized: true, learningRate: 3e-3, config: (s) => new LoraConfig(lora(s)) },
  { name: "dora", title: "DoRA", learningRate: 3e-3, config: (s) => new LoraConfig({ ...lora(s), useDora: true }) },
  {
    name: "prefix",
    title: "prefix tuning",
    learningRate: 1e-1,
    config: ({ virtualTokens: numVirtualTokens }) => new PrefixTuningConfig({ numVirtualTokens }),
  },
  { name: "houlsby", title: "adapters (Houlsby)", learningRate: 1e-2, config: () => new DoubleSeqBnConfig() },
  { name: "ia3", title: "(IA)³", learningRate: 1e-1, config: () => new IA3Config() },
  {
    name: "rslora",
    title: "rsLoRA",
    learningRate: 3e-3,
    config: (s) => new LoraConfig({ ...lora(s), useRslora: true }),
  },
  {
    name: "adalora",
    title: "AdaLoRA",
    learningRate: 1e-2,
    config: ({ r, steps, targetModules }) =>
      new AdaLoraConfig({
        initR: Math.ceil(1.5 * r),
        targetR: r,
        loraAlpha: 2 * r,
        totalStep: steps,
        tinit: Math.floor(steps / 10),
        tfinal: Math.floor(steps / 2),
        deltaT: Math.max(1, Math.floor(steps / 100)),
        targetModules,
      }),
  },
  { name: "vera", title: "VeRA", learningRate: 3e-2, config: ({ targetModules }) => new VeraConfig({ targetModules }) },
  {
    name: "loha",
    title: "LoHa",
    learningRate: 1e-2,
    config: ({ r, targetModules }) => new LoHaConfig({ r, alpha: 2 * r, targetModules }),
  },
  {
    name: "lokr",
    title: "LoKr",
    learningRate: 1e-2,
    config: ({ r, targetModules }) => new LoKrConfig({ r, alpha: 2 * r, targetModules }),
  },
  {
    name: "hira",
    title: "HiRA",
    learningRate: 1e-2,
    config: ({ r, targetModules }) => new HiraConfig({ r, targetModules }),
  },
  {
    name: "gralora",
    title: "GraLoRA",
    learningRate: 3e-3,
    config: ({ r, targetModules }) => new GraloraConfig({ r, alpha: 2 * r, targetModules }),
  },
  {
    name: "delora",
    title: "DeLoRA",
    learningRate: 3e-3,
    config: ({ r, targetModules }) => new DeloraConfig({ r, targetModules }),
  },
  {
    name: "miss",
    title: "MiSS",
    learningRate: 3e-3,
    config: ({ r, targetModules }) => new MissConfig({ r, targetModules }),
  },
  {
    name: "randlora",
    title: "RandLoRA",
    learningRate: 3e-3,
    config: ({ r, targetModules }) => new RandLoraConfig({ r, targetModules }),
  },
  { name: "oft", title: "OFT", learningRate: 3e-3, config: ({ targetModules }) => new OFTConfig({ targetModules }) },
  { name: "boft", title: "BOFT", learningRate: 1e-2, config: ({ targetModules }) => new BOFTConfig({ targetModules }) },
  { name: "hra", title: "HRA", learningRate: 1e-2, config: ({ targetModules }) => new HRAConfig({ targetModules }) },
  {
    name: "fourierft",
    title: "FourierFT",
    learningRate: 3e-2,
    // PEFT's random start drowns the weights of small layers.
    config: ({ targetModules }) => new FourierFTConfig({ targetModules, initWeights: true }),
  },
  {
    name: "vblora",
    title: "VB-LoRA",
    learningRate: 1e-2,
    config: ({ targetModules }) => new VBLoRAConfig({ targetModules }),
  },
  { name: "bitfit", title: "BitFit", learningRate: 1e-2, config: () => new BitFitConfig() },
  { name: "ln", title: "LN tuning", learningRate: 3e-2, config: () => new LNTuningConfig() },
  { name: "pfeiffer", title: "adapters (Pfeiffer)", learningRate: 1e-2, config: () => new SeqBnConfig() },
  { name: "parallel", title: "adapters (parallel)", learningRate: 3e-3, config: () => new ParBnConfig() },
  {
    name: "prompt",
    title: "prompt tuning",
    learningRate: 3e-1,
    config: ({ virtualTokens: numVirtualTokens }) => new PromptTuningConfig({ numVirtualTokens }),
  },
  {
    name: "p-tuning",
    title: "P-tuning",
    learningRate: 1e-2,
    config: ({ virtualTokens: numVirtualTokens }) => new PromptEncoderConfig({ numVirtualTokens }),
  },
  {
    name: "adaption-prompt",
    title: "adaption prompts",
    learningRate: 1e-1,
    config: () => new AdaptionPromptConfig({ adapterLen: 10, adapterLayers: 2 }),
  },
];

/** The methods of these names. Throws, naming those there are, for others. */
export function findMethods(names: readonly string[]): Method[] {
  return names.map((name) => {
    const found = methods.find((method) => method.name === name);
    if (found) return found;
    throw new Error(
      `there is no method ${JSON.stringify(name)}; there are ${methods.map(({ name }) => name).join(", ")}`,
    );
  });
}
