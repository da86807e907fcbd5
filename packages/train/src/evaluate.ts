import { noGrad, scope } from "@lowrank/core";
import { type CollateOptions, collate } from "./collate.ts";
import { labelCount } from "./labelCount.ts";
import { type TrainableModel, toInputs } from "./modelBatch.ts";
import type { TokenizedExample } from "./tokenize.ts";

/** What `evaluate` measured. */
export interface Evaluation {
  /** Mean cross-entropy per label, in nats, over all examples at once. */
  loss: number;
  /** exp(loss). */
  perplexity: number;
  /** Labels counted. */
  labels: number;
}

/** The loss of a model over examples, without dropout and without gradients. */
export async function evaluate(
  model: TrainableModel,
  examples: readonly TokenizedExample[],
  options: CollateOptions & { batchSize: number },
): Promise<Evaluation> {
  if (examples.length === 0) throw new Error("evaluate: there are no examples");
  model.eval();
  let sum = 0;
  let labels = 0;
  for (let at = 0; at < examples.length; at += options.batchSize) {
    const batch = collate(examples.slice(at, at + options.batchSize), options);
    const count = labelCount(batch);
    if (count === 0) continue;
    using loss = noGrad(() => scope(() => model.loss(toInputs(batch))));
    sum += count * (await loss.item());
    labels += count;
  }
  if (labels === 0) throw new Error("evaluate: no token of these examples is labelled; nothing can be measured");
  return { loss: sum / labels, perplexity: Math.exp(sum / labels), labels };
}
