import { Generator, type Tensor } from "@lowrank/core";
import { Linear, Module } from "@lowrank/nn";
import { getPeftModel, LoraConfig, type LoraOptions, type PeftConfig, PeftModel } from "@lowrank/peft";
import type { AdapterHost } from "../../api/adapterProvider.ts";
import { ServingError } from "../../api/api.ts";

/** Base model with two layers. All instances are equal. */
class TinyBase extends Module {
  q_proj: Linear;
  v_proj: Linear;

  constructor() {
    super();
    const generator = new Generator(1);
    this.q_proj = new Linear(8, 8, { bias: true, generator });
    this.v_proj = new Linear(8, 8, { bias: false, generator });
  }

  forward(x: Tensor): Tensor {
    return this.v_proj.forward(this.q_proj.forward(x));
  }
}

/** Returns a LoRA config for the tiny base. Default rank 2. */
export function tinyLora(options: LoraOptions = {}): LoraConfig {
  return new LoraConfig({ r: 2, targetModules: ["q_proj", "v_proj"], initLoraWeights: false, ...options });
}

/** Returns the files of an adapter for the tiny base. Different seeds give different files. */
export async function adapterFiles(
  seed: number,
  config: PeftConfig = tinyLora(),
): Promise<Map<string, Uint8Array | string>> {
  const generator = new Generator(seed);
  const peft = await getPeftModel(new TinyBase(), config, { generator, onWarning: () => {} });
  return peft.adapterFiles();
}

/** Adapter host with the tiny base, which records its calls. */
export class TinyHost implements AdapterHost {
  readonly peft: PeftModel<TinyBase> = new PeftModel(new TinyBase(), () => {});
  readonly calls: string[] = [];
  /** Each load waits for this promise. */
  gate: Promise<void> = Promise.resolve();
  /** Value of `copied` that loads return, although nothing is copied. */
  copies = false;

  get versions(): readonly string[] {
    return [...this.peft.peftConfig.keys()];
  }

  async load(version: string, files: Parameters<AdapterHost["load"]>[1]): ReturnType<AdapterHost["load"]> {
    this.calls.push(`load ${version.slice(0, 4)}`);
    await this.gate;
    await this.peft.loadAdapter(files, version).catch((error) => {
      throw new ServingError("adapter_refused", error.message);
    });
    let bytes = 0;
    for (const tensor of this.peft.base_model.trained(version).values()) bytes += 4 * tensor.size;
    return { bytes, method: this.peft.peftConfig.get(version)!.peftType, copied: this.copies };
  }

  async unload(version: string): Promise<void> {
    this.calls.push(`unload ${version.slice(0, 4)}`);
    this.peft.deleteAdapter(version);
  }
}
