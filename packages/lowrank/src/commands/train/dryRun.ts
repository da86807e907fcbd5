import { styleText } from "node:util";
import { meta, zeros } from "@lowrank/core";
import { openFile, openFiles } from "@lowrank/files";
import { missingFile } from "@lowrank/files/internal";
import { openGguf, Tokenizer } from "@lowrank/models";
import { Parameter } from "@lowrank/nn";
import { describeAdapter, type MemoryPlan, type PlannableModel, planMemory } from "@lowrank/peft";
import { describeTargets } from "../../cli/loading/describeTargets.ts";
import { isGguf, storedQuantization } from "../../cli/loading/loading.ts";
import { toQuantizeOptions } from "../../cli/options/quantizeOptions.ts";
import { checkOutput } from "../../cli/output.ts";
import { findMethods } from "../../report/methods.ts";
import { byteText, whole } from "../../report/table.ts";
import { usualRate } from "./learner.ts";
import { prepareData, readRunOptions } from "./prepareRun.ts";
import type { TrainCommandOptions } from "./train.ts";
import { settingOf } from "./trainSteps.ts";
import { renderMasked } from "./view/renderExample.ts";
import type { TrainReporter } from "./view/trainReporter.ts";

/**
 * Prints the plan of a training run: modules, parameter counts, memory and steps. Also prints one example, in which the
 * tokens that count in the loss are marked. Reads no weights and writes no files.
 */
export async function dryRun(options: TrainCommandOptions, voice: TrainReporter): Promise<void> {
  await checkOutput(options.output, options.model);
  const asked = await readRunOptions(options);
  const { kind } = asked.task;
  const files = isGguf(options.model)
    ? (await openGguf(await openFile(options.model), options.model)).files
    : await openFiles(options.model);
  const weights = ["model.safetensors", "model.safetensors.index.json"];
  const found = await Promise.all(weights.map((name) => files.has(name)));
  if (!isGguf(options.model) && !found.includes(true)) throw await missingFile(files, weights[0]);
  const model = await kind.describe(options.model, asked.labels);
  const backend = meta();
  const { maxPositions = 0 } = model.build((_, shape) => new Parameter(zeros(shape, { backend })));
  const tokenizer = await Tokenizer.fromFiles(files);
  voice.say(`model: ${model.modelType}, ${whole(model.parameterCount)} parameters`);
  const prepared = await prepareData({ tokenizer, maxPositions, padTokenId: 0 }, options, asked, voice);
  const { data, task, lengths, steps, stepsPerEpoch, config: adapter, labels } = prepared;

  const described = adapter && (await describeAdapter(model, adapter));
  const targets = described ? describeTargets(described.report) : [];
  for (const line of targets) voice.say(line);
  for (const warning of described?.warnings ?? []) voice.warn(warning);
  const trainable = described?.trainable ?? model.parameterCount;
  const all = model.parameterCount + (described?.trainable ?? 0);
  voice.say(
    `trainable params: ${whole(trainable)} || all params: ${whole(all)} || trainable%: ${((100 * trainable) / all).toFixed(4)}`,
  );
  const learningRate = options.lr ?? usualRate(adapter, options);
  voice.say(`learning rate: ${learningRate} at its peak (--lr)`);
  const examples = options.batchSize * options.accumulate;
  voice.say(`steps: ${whole(stepsPerEpoch)} in an epoch, ${whole(steps)} in all, of ${examples} examples each`);

  const sizes = data.first.flatMap((example) => task.texts(example).map(({ inputIds }) => inputIds.length));
  const sequenceLength = Math.min(Math.max(...sizes), lengths.maxLength);
  const batchSize = task.sequences * Math.min(options.batchSize, data.train.length);
  const { quantized } = findMethods([options.method])[0];
  const stored = await storedQuantization(options.model);
  // The teacher's shapes are not loaded here, so the plan assumes a plain language-model loss.
  const own = options.teacher === undefined ? task.own(settingOf(options, prepared, null)) : null;
  const batch = longest(data.first, options.batchSize, (example) =>
    sum(task.texts(example), ({ inputIds }) => inputIds.length),
  );
  const plan = await planMemory(model as unknown as PlannableModel, {
    adapter,
    quantization: stored ?? (quantized ? toQuantizeOptions(options) : null),
    dtype: options.weights === "packed" ? "f32" : options.weights,
    optimizer: options.optimizer,
    batchSize,
    sequenceLength,
    gradientAccumulationSteps: options.accumulate,
    gradientCheckpointing: options.gradientCheckpointing,
    precision: options.precision,
    ...(own && { loss: (planned) => own.loss(planned as never, own.collate(batch as never)) }),
  });
  voice.say(memoryLine(plan));
  if (options.teacher !== undefined) voice.say("memory: the teacher comes on top of that");
  if (options.weights === "packed") voice.say("memory: reckoned with weights in f32; --weights packed takes less");

  const texts = task.show(tokenizer, data.first[0], labels, lengths.maxLength);
  const [tokens, learned] = [sum(texts, (text) => text.tokens), sum(texts, (text) => text.learned)];
  const colours = process.stdout.isTTY && process.stdout.hasColors();
  const paint = colours ? (text: string) => styleText(["green", "bold"], text) : undefined;
  const by = colours ? "in colour" : "in [[ ]]";
  voice.say(
    `example 1 of ${whole(data.train.length)}: ${tokens} tokens${learned > 0 ? `, of which ${learned} are learned (${by})` : ""}:`,
  );
  for (const { name, parts } of texts) voice.say(`${name === null ? "" : `${name}: `}${renderMasked(parts, paint)}`);
  voice.say("this was a dry run: nothing was written");
  voice.result({
    dryRun: true,
    modelType: model.modelType,
    targets: described?.report.matched ?? [],
    parameters: { trainable, all },
    learningRate,
    steps,
    stepsPerEpoch,
    ...(labels.length > 0 && { labels }),
    memory: plan,
    example: { tokens, learned, parts: texts.flatMap(({ parts }) => parts), texts },
  });
}

const sum = <T>(items: readonly T[], read: (item: T) => number): number =>
  items.reduce((total, item) => total + read(item), 0);

/** Returns the `batchSize` longest examples, or all examples if there are fewer. */
function longest<E>(examples: readonly E[], batchSize: number, lengthOf: (example: E) => number): E[] {
  return examples.toSorted((a, b) => lengthOf(b) - lengthOf(a)).slice(0, batchSize);
}

function memoryLine(plan: MemoryPlan): string {
  const { weights, adapter, copies, optimizer, training, batchSize, sequenceLength } = plan;
  const parts = [
    `weights ${byteText(weights.bytes)}`,
    ...(adapter.parameters > 0 ? [`adapter ${byteText(adapter.bytes)}`] : []),
    ...(copies.training > 0 ? [`copies of weights ${byteText(copies.training)}`] : []),
    `optimiser ${byteText(optimizer)}`,
    `gradients ${byteText(training.gradients)}`,
    `activations ${byteText(training.activations)}`,
  ];
  return `memory: ${byteText(training.bytes)} of tensors in a step of ${batchSize} x ${sequenceLength} tokens: ${parts.join(", ")}`;
}
