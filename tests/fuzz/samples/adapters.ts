import { getPeftModel, LoraConfig, type PeftConfig, toMlx } from "@lowrank/peft";
import { caseConfigs, modelOfCase, torchBin } from "@lowrank/peft/testing";
import { type Sample, sampleOf } from "../sample.ts";

type Files = Map<string, Uint8Array | string>;

const weightsName = "adapter_model.safetensors";
const lora = (options: object = {}) => new LoraConfig({ r: 2, targetModules: ["up", "down"], ...options });

/** Configurations with regular expressions and patterns as targets. */
const expressions: Readonly<Record<string, PeftConfig>> = {
  expression: lora({ targetModules: ".*layers\\.\\d+\\.(up|down)" }),
  lookahead: lora({ targetModules: "^(?!.*layers\\.0).*(?:up|down)$" }),
  alternatives: lora({ targetModules: "(?:.*?(?:model|layers).*?(?:0|1).*?(?:up|down).*?)|(?:\\blm_head)" }),
  patterns: lora({
    ...{ excludeModules: ".*layers\\.1\\.down", rankPattern: { "layers.0.*up": 3 }, alphaPattern: { down: 4 } },
    ...{ modulesToSave: ["lm_head"] },
  }),
};

type Model = ReturnType<typeof modelOfCase>;

const fileNameOf = (name: string) => name.replaceAll(/[^\w]+/g, "_");
const cases = new Map(Array.from(caseConfigs.keys(), (name) => [fileNameOf(name), name]));

/** Makes the base model for a sample's adapter. */
export function baseOf(sample: string): Model {
  return modelOfCase(cases.get(sample) ?? sample);
}

async function filesOf(name: string, config: PeftConfig): Promise<Files> {
  return (await getPeftModel(baseOf(name), config)).adapterFiles();
}

/** Returns an adapter whose weights are in a file of torch.save. */
async function asTorch(files: Files, deflate: boolean): Promise<Files> {
  const { [weightsName]: weights, ...others } = Object.fromEntries(files);
  const bytes = await torchBin(weights as Uint8Array, deflate);
  return new Map([...Object.entries(others), ["adapter_model.bin", bytes]]);
}

/** Makes adapters of every method, and LoRA adapters with all possible files and fields. */
export async function* adapterSamples(): AsyncGenerator<Sample> {
  for (const [name, config] of caseConfigs) {
    yield sampleOf("adapter", fileNameOf(name), await filesOf(fileNameOf(name), config));
  }
  for (const [name, config] of Object.entries(expressions)) {
    yield sampleOf("adapter", name, await filesOf(name, config));
  }
  const plain = await filesOf("plain", lora());
  yield sampleOf("adapter", "torch", await asTorch(plain, false));
  yield sampleOf("adapter", "torchDeflated", await asTorch(plain, true));
  yield sampleOf("adapter", "mlx", await toMlx(plain));
}
