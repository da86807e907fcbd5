import { init, ones, reference, scope, type Tensor } from "@lowrank/core";
import { Linear, Module, Residual, Sequential } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { AdaptionPromptConfig } from "../prompt/adaptionPrompt.ts";
import { BnConfig, DoubleSeqBnConfig, ParBnConfig, SeqBnConfig } from "./bottleneckConfig.ts";
import { bottleneckLayout } from "./bottleneckLayout.ts";

beforeAll(() => init(reference()));

const base = () => new TinyModel({ attention: true }).eval();
const shapes = (peft: PeftModel<TinyModel>) =>
  Object.fromEntries([...peft.adapterTensors()].map(([key, { shape }]) => [key, [...shape]]));

describe("a model without modules for bottleneck adapters", () => {
  const plain = () => new Sequential(new Linear(8, 16), new Linear(16, 4));

  it.each([DoubleSeqBnConfig, SeqBnConfig, ParBnConfig])("gets an error that names what %o needs", async (Config) => {
    const call = getPeftModel(plain(), new Config());
    await expect(call).rejects.toThrow(
      `${Config.name}: this Sequential has no transformer blocks. Bottleneck adapters need Residual modules at paths that end in attention_residual, mlp_residual`,
    );
    await expect(call).rejects.toThrow("such as new LoraConfig({ targetModules })");
  });

  it("throws an error that names the options that exclude every module", async () => {
    await expect(getPeftModel(base(), new SeqBnConfig({ leaveOut: [0, 1] }))).rejects.toThrow(
      "SeqBnConfig: mhAdapter false, outputAdapter true and leaveOut [0,1] exclude all 4 Residual modules of this TinyModel; change one of these options",
    );
  });

  it("may set the hidden size of custom residual modules", async () => {
    class Block extends Module {
      up = new Linear(6, 6);
      mlp_residual = new Residual();
      forward(x: Tensor): Tensor {
        return this.mlp_residual.forward(this.up.forward(x), x);
      }
    }
    await expect(getPeftModel(new Sequential(new Block()), new SeqBnConfig())).rejects.toThrow(
      "SeqBnConfig: the hidden size is unknown, since this Sequential has no attentionSizes; set hiddenSize",
    );
    const peft = await getPeftModel(
      new Sequential(new Block()),
      new SeqBnConfig({ hiddenSize: 6, reductionFactor: 2 }),
    );
    expect([...peft.adapterTensors().values()].map(({ shape }) => [...shape])).toEqual([[3, 6], [3], [6, 3], [6]]);
    expect(peft.forward(ones([2, 6])).shape).toEqual([2, 6]);
  });
});

describe("bottleneck adapters", () => {
  it("stand where AdapterHub has them, as wide as each layer's factor says", async () => {
    const config = new DoubleSeqBnConfig({ reductionFactor: { "0": 2, default: 4 }, leaveOut: [], name: "x" });
    const found = shapes(await getPeftModel(base(), config));
    expect(Object.keys(found)).toHaveLength(16);
    expect(found).toMatchObject({
      "layers.0.attention_adapters.adapters.x.adapter_down.0.weight": [3, 6],
      "layers.0.output_adapters.adapters.x.adapter_up.weight": [6, 3],
      "layers.1.output_adapters.adapters.x.adapter_down.0.bias": [1],
      "layers.1.attention_adapters.adapters.x.adapter_up.bias": [6],
    });
    const upper = shapes(
      await getPeftModel(base(), new SeqBnConfig({ leaveOut: [0], scaling: "learned", reductionFactor: 3 })),
    );
    expect(Object.keys(upper)).toEqual([
      "layers.1.output_adapters.adapters.default.adapter_down.0.weight",
      "layers.1.output_adapters.adapters.default.adapter_down.0.bias",
      "layers.1.output_adapters.adapters.default.adapter_up.weight",
      "layers.1.output_adapters.adapters.default.adapter_up.bias",
      "layers.1.output_adapters.adapters.default.scaling",
    ]);
  });

  it("keep the name of their file, under any name here", async () => {
    const peft = await getPeftModel(base(), new ParBnConfig({ name: "theirs" }));
    train(peft, 2);
    const files = await peft.adapterFiles();
    expect([...files.keys()]).toEqual(["adapter_config.json", "adapter.safetensors"]);
    expect(JSON.parse(files.get("adapter_config.json") as string)).toMatchObject({
      name: "theirs",
      model_type: "llama",
      model_class: "TinyModel",
      hidden_size: 6,
      config: { is_parallel: true, scaling: 4, ln_before: false, phm_layer: false },
    });
    const again = await PeftModel.fromPretrained(base(), files, { adapterName: "mine" });
    expect(await logitBits(again)).toEqual(await logitBits(peft));
    expect((await again.adapterFiles()).get("mine/adapter.safetensors")).toEqual(files.get("adapter.safetensors"));
  });

  it("drop out while training only", async () => {
    const peft = await getPeftModel(base(), new SeqBnConfig({ dropout: 0.5, reductionFactor: 2 }));
    const answer = () => scope(() => peft.forward(tinyBatch()).logits.dataSync());
    peft.train();
    expect(answer()).not.toEqual(answer());
    peft.eval();
    expect(answer()).toEqual(answer());
  });

  it.each([
    [{ reductionFactor: 0 }, "reductionFactor (reductionFactor) is 0; it must be a number above 0"],
    [{ outputAdapter: false }, "outputAdapter is false; it must be true, since mhAdapter is false"],
    [{ nonLinearity: "mish" }, 'nonLinearity is "mish"; it must be "relu"'],
    [
      { residualBeforeLn: "post_add" },
      'residualBeforeLn is "post_add"; it must be true or false, since originalLnBefore is false',
    ],
    [{ scaling: "other" }, 'scaling is "other"'],
    [{ leaveOut: [-1] }, "leaveOut is -1"],
    [{ leaveOut: true as never }, "leaveOut is true; it must be a list of layers"],
    [{ phmLayer: true }, "phmLayer is true, which is not supported"],
    [{ modulesToSave: ["lm_head"] }, 'modulesToSave is ["lm_head"]; it must be left out'],
    [{ name: { a: 1 } }, 'name is {"a":1}; it must be a text'],
    [{ modelClass: 3 }, "modelClass is 3; it must be a text"],
  ])("%o is refused", (options, message) => {
    expect(() => new BnConfig(options as never)).toThrow(message);
  });

  it("a layer without a factor is an error", async () => {
    await expect(getPeftModel(base(), new SeqBnConfig({ reductionFactor: { "0": 2 } }))).rejects.toThrow(
      'reductionFactor lacks layer 1; add it, or a "default"',
    );
  });

  it("what AdapterHub has besides is refused by its name", async () => {
    const files = await (await getPeftModel(base(), new ParBnConfig())).adapterFiles();
    const json = JSON.parse(files.get("adapter_config.json") as string);
    const load = (config: object) =>
      PeftModel.fromPretrained(
        base(),
        new Map([...files, ["adapter_config.json", JSON.stringify({ ...json, config })]]),
      );
    await expect(load({ ...json.config, inv_adapter: "nice" })).rejects.toThrow('inv_adapter is "nice"');
    await expect(load({ architecture: "lora", r: 8 })).rejects.toThrow(
      `the AdapterHub architecture "lora" is not supported; save the adapter with PEFT, since only AdapterHub's bottleneck adapters can be read`,
    );
    const pickled = new Map([...files, ["pytorch_adapter.bin", new Uint8Array(1)] as const]);
    pickled.delete("adapter.safetensors");
    await expect(PeftModel.fromPretrained(base(), pickled)).rejects.toThrow("pytorch_adapter.bin");
    const warnings: Warning[] = [];
    const headed = new Map([...files, ["head_config.json", "{}"] as const]);
    await PeftModel.fromPretrained(base(), headed, { onWarning: (warning) => warnings.push(warning) });
    const message = expect.stringContaining("head_config.json and the head that it describes are not read");
    expect(warnings).toEqual([{ code: "unread-file", message }]);
  });
});

describe("adaption prompts", () => {
  const config = (options: object) => new AdaptionPromptConfig({ adapterLen: 2, adapterLayers: 1, ...options });

  it("stand in the upper layers, by the name of their model's attention", async () => {
    const peft = await getPeftModel(base(), config({}));
    expect(shapes(peft)).toEqual({
      "base_model.model.layers.1.self_attn.adaption_prompt": [1, 2, 6],
      "base_model.model.layers.1.self_attn.adaption_gate": [1],
    });
    expect(peft.peftConfig.get("default")?.targetModules).toBe("self_attn");
  });

  it.each([
    [() => config({ adapterLen: 0 }), "adapterLen is 0"],
    [() => config({ targetModules: ["self_attn"] }), 'targetModules is ["self_attn"]; it must be one name'],
    [() => config({ modulesToSave: ["norm"] }), "modulesToSave"],
    [() => getPeftModel(base(), new AdaptionPromptConfig({} as never)), "adapterLen is not set"],
    [
      () => getPeftModel(base(), config({ adapterLayers: 3 })),
      "adapterLayers is 3, but the model has 2 layers self_attn",
    ],
    [
      () => getPeftModel(new TinyModel(), config({})),
      "targetModules is not set, and only llama, mistral, gpt2 models have a default; name the attention modules",
    ],
    [() => getPeftModel(base(), config({ targetModules: "up" })), "ADAPTION_PROMPT adapts attention layers only"],
  ])("%#: what does not fit is refused", async (make, message) => {
    await expect(async () => make()).rejects.toThrow(message);
  });
});

it("a model with a single place has none if its layer is left out", async () => {
  class Block extends Module {
    mlp_residual = new Residual();
    forward(x: Tensor): Tensor {
      return this.mlp_residual.forward(x, x);
    }
  }
  const call = getPeftModel(new Sequential(new Block()), new SeqBnConfig({ leaveOut: [0], hiddenSize: 6 }));
  await expect(call).rejects.toThrow(
    "leaveOut [0] exclude all 1 Residual modules of this Sequential; change one of these options",
  );
});

it("SeqBnConfig has the options of AdapterHub, and its own ones come first", () => {
  expect(new SeqBnConfig()).toMatchObject({ originalLnBefore: true, mhAdapter: false, outputAdapter: true });
  expect(new SeqBnConfig({ originalLnBefore: false })).toMatchObject({ originalLnBefore: false });
});

it("dropout is a module only if there is any", async () => {
  const modules = async (dropout: number) => {
    const peft = await getPeftModel(base(), new SeqBnConfig({ dropout }));
    return [...peft.namedModules()].filter(([path]) => path.includes("dropout")).length;
  };
  expect(await modules(0)).toBe(0);
  expect(await modules(0.5)).toBeGreaterThan(0);
});

it.each([[null], [{}], [{ config: null }], [{ config: "x" }], [{ config: {}, peft_type: "LORA" }]])(
  "%j is not a configuration of AdapterHub",
  (json) => {
    expect(bottleneckLayout.readConfig(json, "f")).toBeNull();
  },
);

it("a configuration of AdapterHub is read and written with factors by layer", () => {
  const json = { config: { reduction_factor: 4 }, model_name: "" };
  expect(bottleneckLayout.readConfig(json, "f")).toMatchObject({ peft_type: "BOTTLENECK", reduction_factor: 4 });
  const text = bottleneckLayout.configJson(new BnConfig({ reductionFactor: { "0": 2, default: 8 } }));
  expect(JSON.parse(text).config.reduction_factor).toEqual({ "0": 2, default: 8 });
  expect(bottleneckLayout.configJson(new BnConfig({ reductionFactor: 4 }))).toContain('"reduction_factor": 4,');
  expect(bottleneckLayout.configJson(new BnConfig({ scaling: 2 }))).toContain('"scaling": 2.0,');
  expect(bottleneckLayout.configJson(new BnConfig({ scaling: "learned" }))).toContain('"scaling": "learned",');
});
