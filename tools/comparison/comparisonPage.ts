import { type ComparedFile, type RowGroup, rowsTable } from "./comparisonRows.ts";

/** Results of which the page is written. */
export interface ComparisonPage {
  readonly groups: readonly RowGroup[];
  readonly nano: ComparedFile;
  /** Results on SmolLM2; null if they were not measured. */
  readonly smollm2: ComparedFile | null;
  readonly cpu: string;
  readonly node: string;
}

/** Returns docs/comparison.md. */
export function comparisonPage({ groups, nano, smollm2, cpu, node }: ComparisonPage): string {
  const { job, measured } = nano.runs.find((run) => run.measured !== undefined) ?? nano.runs[0];
  const seeds = Math.max(...groups.flatMap(({ rows }) => rows.map((row) => row.seeds)));
  const failed = [...new Map(nano.runs.flatMap(({ job: { method }, error }) => (error ? [[method, error]] : [])))];
  const sections = groups.flatMap(({ budget, rows }) => [
    budget === null ? "### At their own size" : `### About ${budget.toLocaleString("en")} trained parameters`,
    ...(budget === null
      ? ["These methods lack an option for their size, or its values are far from the budgets."]
      : []),
    rowsTable(rows),
  ]);
  return `${[
    "# What the methods are worth",
    `All methods are trained on the same task, with the same number of trained parameters where a method has an option for its
size. One command repeats the comparison and writes this page: \`pnpm docs:comparison\`. To choose
a method for your task, read [Which method?](choosing.md) first.`,
    `## On a small model

The embedded model nano (615,296 parameters) was trained to answer requests with Python. Here it learns to answer with
JavaScript: ${job.steps} steps of ${job.batchSize} examples, ${seeds} seeds. Before the training its loss is ${measured?.lossBefore.toFixed(2)} nats per token.`,
    `<picture>
  <source media="(prefers-color-scheme: dark)" srcset="pictures/comparison-quality-dark.webp">
  <img src="pictures/comparison-quality-light.webp" alt="Exact match of each method with about 20,000 trained parameters" width="700">
</picture>`,
    `- **size**: the option that sets the number of trained parameters, and its value.
- **exact %**: the share of 200 test requests that the model answers with exactly the expected tokens.
- **loss**: in nats per token, on the same requests.
- **forgetting**: the increase of the loss on 200 Python requests, which the model answered with a loss of ${measured?.earlierLossBefore?.toFixed(3) ?? "-"}
  before.
- **memory**: the most that tensors took while training.
- **step ms**, **merged ms**: a training step, and a forward pass over at most 64 tokens with the adapter merged. Both
  are medians of one run on one thread.
- ± is the standard deviation over the seeds.`,
    ...sections,
    `### Limits of this comparison

- With ${seeds} seeds, a difference of less than two standard deviations means little.
- Each method has the learning rate of its recipe for small models, and the same rate at every size. No rate was tuned
  for this table. The rates of FRoD, AdaMSS, Poly, PSOFT and cartridges were never
  tuned. RandLoRA at 60,000 parameters and TinyLoRA show that one rate does not suit every size.
- The task is small and one of its kind. Methods for images, many tasks or long contexts cannot show their strengths: CPT
  has a context of one repeated token, Poly one task, and cartridges start from random values.
- Methods that add virtual tokens have at most 64 of them, half of the model's positions.
- X-LoRA is left out, since it mixes adapters that other methods have trained.${failed.length > 0 ? `\n- ${failed.map(([method, error]) => `\`${method}\` is left out: ${error}.`).join("\n- ")}` : ""}
- Forgetting is large, since the requests of both languages have nearly the same words: an adapter that changes the
  language changes it for all requests. Without the adapter the model answers as before.
- Times are of ${cpu}, Node ${node.replace("v", "")}. Other work used the machine's second core, so that differences of less
  than a half mean little.`,
    ...(smollm2 ? [smolSection(smollm2)] : []),
  ].join("\n\n")}\n`;
}

function smolSection({ methods, runs }: ComparedFile): string {
  const { job, measured } = runs.find((run) => run.measured !== undefined) ?? runs[0];
  const rates = methods.map(({ method, learningRate }) => `${method} ${learningRate}`).join(", ");
  return `## On SmolLM2

SmolLM2-135M-Instruct in 4 bits (Q4_1) learns to follow instructions: ${job.steps} steps of ${job.batchSize} examples, one seed, rank 8 or 20
virtual tokens. Before the training the loss is ${measured?.lossBefore.toFixed(3)}. Forgetting is measured on 16 blocks of 128 tokens of Shakespeare.

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="pictures/comparison-smollm2-dark.webp">
  <img src="pictures/comparison-smollm2-light.webp" alt="Loss, memory and time of a step of eight methods on SmolLM2" width="1000">
</picture>

${rowsTable(methods)}

- Learning rates are those of \`lowrank train\`: ${rates}.
- With 16 test examples, differences of loss below 0.02 mean little.`;
}
