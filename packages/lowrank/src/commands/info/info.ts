import { type ModelFiles, openFile, openFiles, readJson } from "@lowrank/files";
import {
  architectures,
  describeConfig,
  type LayerDescription,
  openGguf,
  openSafetensorsFolder,
  presetConfig,
  type StackDescription,
} from "@lowrank/models";
import { presetJson } from "@lowrank/models/internal";
import { Command } from "commander";
import { printJson } from "../../cli/json.ts";
import { isGguf } from "../../cli/loading/loading.ts";
import { headersAlone, readConfig } from "../../cli/loading/modelConfig.ts";

/** Tensors of one dtype in a model's files. */
interface StoredType {
  readonly dtype: string;
  readonly tensors: number;
  readonly bytes: number;
}

/** Layers with the same name and weight shape. */
interface NamedLayers {
  readonly name: string;
  readonly kind: LayerDescription["kind"];
  /** Weight shape: [out, in] of a linear layer, [rows, dim] of an embedding, [dim] of a norm. */
  readonly shape: readonly number[];
  readonly count: number;
}

/** Facts that `lowrank info` prints. */
interface ModelInfo {
  readonly model: string;
  readonly modelType: string;
  /** Names of this library's model classes for the architecture, one for each head that it supports. */
  readonly heads: readonly string[];
  readonly parameters: number;
  /** Bytes of the parameters in memory: if loaded as f32, and in half precision. */
  readonly memory: { readonly f32: number; readonly half: number };
  /** Tensors in the model's files, by dtype. Empty if the folder has a config but no weights. */
  readonly stored: readonly StoredType[];
  /** True if the tokenizer has a chat template; null without a tokenizer. */
  readonly chatTemplate: boolean | null;
  /** Layers that adapters can target. */
  readonly layers: readonly NamedLayers[];
  /** Linear layers that adapters target by default. */
  readonly defaultTargets: readonly string[];
}

/** Returns the `lowrank info` command. */
export function infoCommand(): Command {
  return new Command("info")
    .summary("describes a model: architecture, size, dtypes, memory, layers for adapters")
    .description(
      "Prints a model's architecture, parameters, dtypes, memory, chat template, and the layers that adapters can change. " +
        "It reads no weights, only the headers of their files.",
    )
    .argument("<model>", "a model folder, a config.json, a GGUF file, or the name of a preset")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExamples:\n  $ lowrank info ./model\n  $ lowrank info gemma-3-270m --json")
    .action(async (source: string, { json }: { json?: boolean }) => {
      const info = await modelInfo(source);
      if (json) printJson(info);
      else for (const line of infoLines(info)) console.log(line);
    });
}

async function modelInfo(source: string): Promise<ModelInfo> {
  const found = await readConfig(source);
  // Throws for an unknown name.
  const json = found?.json ?? presetJson(source) ?? presetConfig(source);
  const description = describeConfig(json, { where: found?.label ?? `preset ${source}` });
  const architecture = architectures().find(({ modelType }) => modelType === description.modelType);
  const { parameterCount } = description;
  return {
    model: source,
    modelType: description.modelType,
    heads: Object.values(architecture?.heads ?? {}).map(({ className }) => className),
    parameters: parameterCount,
    memory: { f32: 4 * parameterCount, half: 2 * parameterCount },
    stored: await storedTypes(source, found?.files),
    chatTemplate: found?.files ? await hasChatTemplate(found.files) : null,
    layers: namedLayers(description),
    defaultTargets: architecture?.defaultTargets.linear ?? [],
  };
}

async function storedTypes(source: string, files: ModelFiles | undefined): Promise<StoredType[]> {
  const types = new Map<string, StoredType>();
  const count = (type: string, bytes: number) => {
    const dtype = type.toLowerCase();
    const before = types.get(dtype) ?? { tensors: 0, bytes: 0 };
    types.set(dtype, { dtype, tensors: before.tensors + 1, bytes: before.bytes + bytes });
  };
  if (files && isGguf(source)) {
    const { tensors } = await openGguf(await openFile(source, headersAlone), source);
    for (const { info } of tensors.values()) count(info.type.name, info.byteLength);
  } else if (files && (await hasWeights(files))) {
    const weights = await openSafetensorsFolder(await openFiles(source, headersAlone));
    for (const name of weights.names()) count(weights.info(name).dtype, weights.info(name).byteLength);
  }
  return [...types.values()].sort((a, b) => b.bytes - a.bytes);
}

async function hasWeights(files: ModelFiles): Promise<boolean> {
  return (await files.has("model.safetensors")) || (await files.has("model.safetensors.index.json"));
}

async function hasChatTemplate(files: ModelFiles): Promise<boolean | null> {
  if (await files.has("chat_template.jinja")) return true;
  if (!(await files.has("tokenizer_config.json"))) return null;
  const { chat_template: template } = (await readJson(files, "tokenizer_config.json")) as { chat_template?: unknown };
  return template !== undefined && template !== null;
}

function shapeOf(layer: LayerDescription): readonly number[] {
  if (layer.kind === "embedding") return [layer.rows, layer.dim];
  return layer.kind === "norm" ? [layer.dim] : [layer.outFeatures, layer.inFeatures];
}

/** Groups layers by the last part of their paths and by shape. */
function namedLayers({ layers }: StackDescription<unknown>): NamedLayers[] {
  const named = new Map<string, NamedLayers>();
  for (const layer of layers) {
    const name = layer.path.slice(layer.path.lastIndexOf(".") + 1);
    const shape = shapeOf(layer);
    const key = `${name} ${layer.kind} ${shape}`;
    named.set(key, { name, kind: layer.kind, shape, count: (named.get(key)?.count ?? 0) + 1 });
  }
  return [...named.values()];
}

const megabytes = (bytes: number) =>
  `${(bytes / 1e6).toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} MB`;

function infoLines(info: ModelInfo): string[] {
  const { model, modelType, heads, parameters, memory, stored, chatTemplate, layers, defaultTargets } = info;
  const template = chatTemplate === null ? "no tokenizer says" : chatTemplate ? "yes" : "none";
  const width = Math.max(...layers.map(({ name }) => name.length));
  return [
    `${model}: ${modelType}, ${parameters.toLocaleString("en")} parameters`,
    `classes        ${heads.join(", ")}`,
    `in memory      f32 ${megabytes(memory.f32)}, f16 or bf16 ${megabytes(memory.half)}`,
    ...stored.map(({ dtype, tensors, bytes }) => `in the files   ${dtype} ${megabytes(bytes)}, ${tensors} tensors`),
    `chat template  ${template}`,
    "layers for adapters:",
    ...layers.map(({ name, kind, shape, count }) => {
      const usual = defaultTargets.includes(name) ? ", by default" : "";
      return `  ${name.padEnd(width)}  ${count} x ${kind} [${shape.join(", ")}]${usual}`;
    }),
  ];
}
