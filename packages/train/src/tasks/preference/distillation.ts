import {
  add,
  affine,
  exp,
  logSoftmax,
  logsumexp,
  mul,
  noGrad,
  OptionError,
  stack,
  sub,
  sum,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type Batch, collate } from "../../data/batches/collate.ts";
import { type CollateOptions, collateKeys } from "../../data/padRows.ts";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";
import type { TokenizedExample } from "../../data/tokens/tokenize.ts";
import { type LanguageModel, predictions } from "../languageModel.ts";
import type { OwnTask } from "../ownTask.ts";
import { tokensOf } from "./preferenceBatch.ts";

/** Options of `distillation`. */
export interface DistillationOptions extends CollateOptions {
  /** The model to imitate. It must have the same vocabulary. */
  teacher: LanguageModel;
  /**
   * The divergence to minimise: 0 is KL(teacher || student), which covers all modes; 1 is KL(student || teacher), which
   * seeks one mode; values between interpolate. Default: 0.5, the Jensen-Shannon divergence.
   */
  beta?: number;
  /** Divisor of both models' logits. Default: 1. */
  temperature?: number;
}

/** Returns KL(p || q), summed over the last dimension, from log-probabilities p and q. */
const divergence = (p: Tensor, q: Tensor): Tensor => sum(mul(exp(p), sub(p, q)), { dim: -1 });

/**
 * Returns the generalised Jensen-Shannon divergence of two next-token distributions at each position, from their
 * log-probabilities.
 */
function distance(student: Tensor, teacher: Tensor, beta: number): Tensor {
  if (beta === 0) return divergence(teacher, student);
  if (beta === 1) return divergence(student, teacher);
  const weighted = [affine(student, { shift: Math.log1p(-beta) }), affine(teacher, { shift: Math.log(beta) })];
  const mixture = logsumexp(stack(weighted, { dim: 0 }), { dim: 0 });
  return add(
    affine(divergence(teacher, mixture), { scale: beta }),
    affine(divergence(student, mixture), { scale: 1 - beta }),
  );
}

const refused = (option: string, value: number, range: string) =>
  new OptionError("distillation", option, value, `is ${value}; give a number ${range}`);

/**
 * The task of knowledge distillation: at labelled tokens, a student learns a teacher's next-token distributions. The
 * loss is TRL's generalised Jensen-Shannon divergence. Agarwal et al. 2024, https://arxiv.org/abs/2306.13649
 */
export function distillation(options: DistillationOptions): OwnTask<LanguageModel, TokenizedExample, Batch> {
  checkOptions("distillation", options, {
    ...collateKeys,
    ...({ teacher: true, beta: true, temperature: true } as const),
  });
  const { teacher, beta = 0.5, temperature = 1, ...padding } = options;
  if (!(beta >= 0 && beta <= 1)) throw refused("beta", beta, "from 0 to 1");
  if (!(temperature > 0)) throw refused("temperature", temperature, "above 0");
  const logps = (logits: Tensor) => logSoftmax(affine(logits, { scale: 1 / temperature }), { dim: -1 });
  return {
    collate: (examples) => collate(examples, padding),
    settings: { task: "distillation", beta, temperature, ...padding },
    tokens: tokensOf,
    loss: (model, batch) => {
      const theirs = noGrad(() => logps(predictions(teacher, batch).logits));
      const own = logps(predictions(model, batch).logits);
      if (own.shape.join() !== theirs.shape.join()) {
        throw new Error(
          `distillation: the student's logits are [${own.shape}], the teacher's [${theirs.shape}]; both models must have the same vocabulary`,
        );
      }
      const { batchSize, length } = batch;
      const mask = Float32Array.from({ length: batchSize * (length - 1) }, (_, i) => {
        const [row, t] = [Math.floor(i / (length - 1)), (i % (length - 1)) + 1];
        return Number(batch.labels[row * length + t] !== ignoreIndex);
      });
      const count = mask.reduce((a, b) => a + b, 0);
      const weights = tensor(mask, { shape: [batchSize, length - 1], backend: own.storage.backend });
      return affine(sum(mul(distance(own, theirs, beta), weights)), { scale: 1 / Math.max(count, 1) });
    },
  };
}
