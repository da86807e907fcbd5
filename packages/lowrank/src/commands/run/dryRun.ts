import { styleText } from "node:util";
import { meta, zeros } from "@lowrank/core";
import { missingFile, openFile, openFiles } from "@lowrank/files";
import { describeModel, openGguf, Tokenizer } from "@lowrank/models";
import { Parameter } from "@lowrank/nn";
import { describeAdapter, type MemoryPlan, planMemory } from "@lowrank/peft";
import { findMethods } from "../../report/methods.ts";
import { byteText, whole } from "../../report/table.ts";
import { describeTargets } from "../describeTargets.ts";
import { rateFor } from "../learner.ts";
import { isGguf, storedQuantization } from "../loading.ts";
import { findModelConfig } from "../modelConfig.ts";
import { checkOutput } from "../output.ts";
import { toQuantizeOptions } from "../quantizeOptions.ts";
import type { TrainCommandOptions } from "../train.ts";
import { prepareData } from "./prepareRun.ts";
import { maskedText, renderMasked } from "./renderExample.ts";
import type { TrainVoice } from "./trainVoice.ts";

/**
 * Tells what a training would do: modules, counts, memory, steps, and an example with the tokens
 * that are learned. No weights are read, and nothing is written.
 */
export async function dryRun(options: TrainCommandOptions, voice: TrainVoice): Promise<void> {
  await checkOutput(options.output, options.model);
  const files = isGguf(options.model)
    ? (await openGguf(await openFile(options.model), options.model)).files
    : await openFiles(options.model);
  const weights = ["model.safetensors", "model.safetensors.index.json"];
  const found = await Promise.all(weights.map((name) => files.has(name)));
  if (!isGguf(options.model) && !found.includes(true)) throw await missingFile(files, weights[0]);
  const config = await findModelConfig(options.model);
  const model = describeModel(config);
  const backend = meta();
  const { maxPositions } = model.build((_, shape) => new Parameter(zeros(shape, { backend })));
  const tokenizer = await Tokenizer.fromFiles(files);
  voice.say(`model: ${model.modelType}, ${whole(model.parameterCount)} parameters`);
  const prepared = await prepareData({ tokenizer, maxPositions, padTokenId: 0 }, options, voice);
  const { data, task, lengths, steps, stepsPerEpoch, config: adapter } = prepared;

  const described = adapter && (await describeAdapter(model, adapter));
  const targets = described ? describeTargets(described.report) : [];
  for (const line of targets) voice.say(line);
  for (const warning of described?.warnings ?? []) voice.warn(warning);
  const trainable = described?.trainable ?? model.parameterCount;
  const all = model.parameterCount + (described?.trainable ?? 0);
  voice.say(
    `trainable params: ${whole(trainable)} || all params: ${whole(all)} || trainable%: ${((100 * trainable) / all).toFixed(4)}`,
  );
  const learningRate = options.lr ?? rateFor(adapter, findMethods([options.method])[0]);
  voice.say(`learning rate: ${learningRate} at its peak (--lr)`);
  const examples = options.batchSize * options.accumulate;
  voice.say(`steps: ${whole(stepsPerEpoch)} in an epoch, ${whole(steps)} in all, of ${examples} examples each`);

  const longest = data.first.reduce((most, { inputIds }) => Math.max(most, inputIds.length), 1);
  const sequenceLength = Math.min(longest, lengths.maxLength);
  const batchSize = task.sequences * Math.min(options.batchSize, data.train.length);
  const { quantized } = findMethods([options.method])[0];
  const stored = await storedQuantization(options.model);
  const plan = await planMemory(model, {
    adapter,
    quantization: stored ?? (quantized ? toQuantizeOptions(options) : null),
    dtype: options.weights === "packed" ? "f32" : options.weights,
    optimizer: options.optimizer,
    batchSize,
    sequenceLength,
    gradientAccumulationSteps: options.accumulate,
    gradientCheckpointing: options.gradientCheckpointing,
  });
  voice.say(memoryLine(plan));
  if (options.teacher !== undefined) voice.say("memory: the teacher comes on top of that");
  if (options.weights === "packed") voice.say("memory: reckoned with weights in f32; --weights packed takes less");

  const [example] = data.first;
  const inputIds = example.inputIds.slice(0, lengths.maxLength);
  const labels = example.labels.slice(0, lengths.maxLength);
  const parts = maskedText(tokenizer, { inputIds, labels });
  const learned = labels.filter((label) => label >= 0).length;
  const colours = process.stdout.isTTY && process.stdout.hasColors();
  const paint = colours ? (text: string) => styleText(["green", "bold"], text) : undefined;
  const by = colours ? "in colour" : "in [[ ]]";
  voice.say(
    `example 1 of ${whole(data.train.length)}: ${inputIds.length} tokens, of which ${learned} are learned (${by}):`,
  );
  voice.say(renderMasked(parts, paint));
  voice.say("this was a dry run: nothing was written");
  voice.result({
    dryRun: true,
    modelType: model.modelType,
    targets: described?.report.matched ?? [],
    parameters: { trainable, all },
    learningRate,
    steps,
    stepsPerEpoch,
    memory: plan,
    example: { tokens: inputIds.length, learned, parts },
  });
}

function memoryLine(plan: MemoryPlan): string {
  const { weights, adapter, optimizer, training, batchSize, sequenceLength } = plan;
  const parts = [
    `weights ${byteText(weights.bytes)}`,
    ...(adapter.parameters > 0 ? [`adapter ${byteText(adapter.bytes)}`] : []),
    `optimiser ${byteText(optimizer)}`,
    `gradients ${byteText(training.gradients)}`,
    `activations ${byteText(training.activations)}`,
  ];
  return `memory: ${byteText(training.bytes)} of tensors in a step of ${batchSize} x ${sequenceLength} tokens: ${parts.join(", ")}`;
}
