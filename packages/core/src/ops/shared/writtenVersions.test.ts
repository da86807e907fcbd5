import { beforeAll, expect, test } from "vitest";
import { init } from "../../backends/backend.ts";
import { reference } from "../../backends/reference.ts";
import { ones } from "../../creation/create.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { adamStep } from "../optimizers/adamStep.ts";
import { clipToNorm } from "../optimizers/gradNorm.ts";
import { lionStep } from "../optimizers/lionStep.ts";
import { sgdStep } from "../optimizers/sgdStep.ts";

beforeAll(() => init(reference()));

const adam = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, step: 1, decoupled: true };
const sgd = { lr: 0.1, weightDecay: 0, momentum: 0.9, dampening: 0, nesterov: false, first: false };

test.each<[string, number, (...tensors: Tensor[]) => void, number[]]>([
  ["adamStep of two parameters", 8, (...t) => adamStep(...t, adam), [0, 2, 3, 4, 6, 7]],
  ["lionStep", 3, (...t) => lionStep(...t, { lr: 0.1, beta1: 0.9, beta2: 0.99, weightDecay: 0 }), [0, 2]],
  ["sgdStep", 3, (...t) => sgdStep(...t, sgd), [0, 2]],
  ["clipToNorm", 3, (...t) => clipToNorm(...t, ones([]), { maxNorm: 0.5 }), [0, 1, 2]],
])("%s raises the version of each memory that it writes into, not of the first alone", (_, count, step, written) => {
  const tensors = Array.from({ length: count }, () => ones([3]));
  const before = tensors.map(({ storage }) => storage.version);
  step(...tensors);
  for (const i of written) expect(tensors[i].storage.version, `input ${i}`).toBeGreaterThan(before[i]);
});
