import * as lowrank from "../../index.gen.ts";
import { tinyConfig, tinyLlama } from "../tinyLlama.ts";
import type { OptionCalls, Untyped } from "./optionCall.ts";

const L: Untyped = lowrank;
const config = () => new lowrank.LoraConfig({ targetModules: "all-linear" });
const model = async (): Promise<Untyped> => lowrank.getPeftModel(tinyLlama(), config());
const saved = async () => (await model()).adapterFiles();
const shadowed = async () => L.getPeftModel(tinyLlama(), new lowrank.ShadowConfig({ taskType: "CAUSAL_LM" }));
const batch = () => ({
  inputIds: lowrank.tensor([[1, 2]], { dtype: "i32" }),
  labels: lowrank.tensor([[1, 2]], { dtype: "i32" }),
});
const described = () => lowrank.describeModel(tinyConfig);

/** Names of the configuration classes of all methods. */
const configs = Object.keys(lowrank).filter(
  (name) => L[name]?.prototype instanceof lowrank.PeftConfig && name !== "PromptLearningConfig",
);

/** Calls of peft. */
export const ofPeft: OptionCalls = {
  ...Object.fromEntries(configs.map((name) => [`new ${name}`, (o: object) => new L[name](o)])),
  "ShadowNetwork#auxiliaryLoss": async (o) => L.shadowModel(await shadowed()).auxiliaryLoss({ ...batch(), ...o }),
  "ShadowNetwork#unloadShadow": async (o) => L.shadowModel(await shadowed()).unloadShadow(o),
  "new LoraConfig: evaConfig": (o) => new L.LoraConfig({ initLoraWeights: "eva", evaConfig: o }),
  "new LoraConfig: loftqConfig": (o) => new L.LoraConfig({ initLoraWeights: "loftq", loftqConfig: o }),
  "new LoraConfig: cordaConfig": (o) => new L.LoraConfig({ initLoraWeights: "corda", cordaConfig: o }),
  "new LoraConfig: loraGaConfig": (o) => new L.LoraConfig({ initLoraWeights: "lora_ga", loraGaConfig: o }),
  "new LoraConfig: useBdlora": (o) => new L.LoraConfig({ useBdlora: o }),
  "new LoraConfig: veloraConfig": (o) => new L.LoraConfig({ veloraConfig: o }),
  "new LoraConfig: kasaConfig": (o) => new L.LoraConfig({ kasaConfig: o }),
  "new LoraConfig: montecloraConfig": (o) => new L.LoraConfig({ montecloraConfig: o }),
  "new LoraConfig: arrowConfig": (o) => new L.LoraConfig({ arrowConfig: o }),
  createArrowModel: async (o) => L.createArrowModel(tinyLlama(), [await saved()], { topK: 1 }, o),
  composeCartridgeAdapters: async (o) => L.composeCartridgeAdapters([await saved(), await saved()], o),
  initializeKvPrefixFromPastKeyValues: async (o) => L.initializeKvPrefixFromPastKeyValues(await model(), o),
  initializeKvPrefixFromText: async (o) => L.initializeKvPrefixFromText(await model(), { encode: () => [] }, o),
  parsePeftConfig: (o) => L.parsePeftConfig({ peft_type: "LORA" }, o),
  fromLoraWeights: async (o) => L.fromLoraWeights(new Uint8Array(8), tinyLlama(), o),
  getPeftModel: (o) => L.getPeftModel(tinyLlama(), config(), o),
  "PeftModel#addAdapter": async (o) => (await model()).addAdapter("b", config(), o),
  "PeftModel#loadAdapter": async (o) => (await model()).loadAdapter(await saved(), "b", o),
  "PeftModel#hotswapAdapter": async (o) => (await model()).hotswapAdapter(await saved(), "default", o),
  "PeftModel#setAdapter": async (o) => (await model()).setAdapter("default", o),
  "PeftModel#addWeightedAdapter": async (o) => (await model()).addWeightedAdapter(["default"], [1], "w", o),
  "PeftModel#quantizeBase": async (o) => (await model()).quantizeBase(o),
  "PeftModel#mergeAdapter": async (o) => (await model()).mergeAdapter(o),
  "PeftModel#mergeAndUnload": async (o) => (await model()).mergeAndUnload(o),
  "PeftModel#adapterFiles": async (o) => (await model()).adapterFiles(undefined, o),
  "PeftModel#savePretrained": async (o) => (await model()).savePretrained("folder", o),
  "PeftMixedModel.fromPretrained": async (o) => L.PeftMixedModel.fromPretrained(tinyLlama(), await saved(), o),
  "PeftModel.fromPretrained": async (o) => L.PeftModel.fromPretrained(tinyLlama(), await saved(), o),
  describeModule: (o) => L.describeModule(() => new lowrank.Linear(2, 2), o),
  describeAdapter: async (o) => L.describeAdapter(await described(), config(), o),
  "planMemory: quantization": async (o) => L.planMemory(await described(), { adapter: config(), quantization: o }),
  "reportAdapter: quantization": async (o) => L.reportAdapter(await described(), config(), { quantization: o }),
  planMemory: async (o) => L.planMemory(await described(), o),
  reportAdapter: async (o) => L.reportAdapter(await described(), config(), o),
  initializeLoraEvaWeights: async (o) => L.initializeLoraEvaWeights(await model(), [], o),
  preprocessCorda: (o) => L.preprocessCorda(tinyLlama(), new L.LoraConfig({ initLoraWeights: "corda" }), () => {}, o),
  preprocessLoraGa: (o) =>
    L.preprocessLoraGa(tinyLlama(), new L.LoraConfig({ initLoraWeights: "lora_ga" }), () => {}, o),
  startFromData: async (o) => L.startFromData(await model(), [], o),
  findKappaTargetModules: (o) => L.findKappaTargetModules(tinyLlama(), o),
  injectAdapterInModel: (o) => L.injectAdapterInModel(config(), tinyLlama(), o),
  reduceIntruderDimension: async (o) => L.reduceIntruderDimension(await model(), o),
  createLoraFaOptimizer: async (o) => L.createLoraFaOptimizer(await model(), { lr: 1e-3, ...o }),
  createRiemannianOptimizer: async (o) => L.createRiemannianOptimizer(await model(), lowrank.AdamW, { lr: 1e-3, ...o }),
  createLoraPlusOptimizer: async (o) =>
    L.createLoraPlusOptimizer(await model(), lowrank.AdamW, { lr: 1e-3, loraplusLrRatio: 2, ...o }),
  prepareModelForKbitTraining: (o) => L.prepareModelForKbitTraining(tinyLlama(), o),
};
