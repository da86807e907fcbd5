import { type Backend, init, reference, scope, tensor } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { Adagrad, AdamW, type Optimizer, RMSprop, SGD } from "@lowrank/nn";
import { afterEach, describe, expect, it } from "vitest";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { examples, tinyLlama } from "../testing/tinyRun.ts";
import { Trainer } from "./trainer.ts";

const options: TrainerOptions = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: 3, shuffle: false };

/**
 * Returns a model on a backend that counts the bytes of each read and write. The backend of `init` cannot allocate, so
 * that tensors on a wrong backend throw.
 */
async function counted(): Promise<{ model: CausalLM; reads: number[]; writes: number[] }> {
  const inner = reference();
  const [reads, writes]: number[][] = [[], []];
  const backend: Backend = {
    ...inner,
    name: "counting",
    read: (buffer, ...range) => {
      reads.push(buffer.bytes);
      return inner.read(buffer, ...range);
    },
    write: (buffer, bytes, ...at) => {
      writes.push(bytes.byteLength);
      inner.write(buffer, bytes, ...at);
    },
  };
  await init(backend);
  const model = tinyLlama();
  // Creates the cached position tables.
  scope(() => model.nextLogits({ inputIds: tensor([[1]], { dtype: "i32" }) }));
  const alloc = () => {
    throw new Error("a tensor was made elsewhere than on the model's backend");
  };
  await init({ ...reference(), name: "elsewhere", alloc });
  reads.length = 0;
  writes.length = 0;
  return { model, reads, writes };
}

afterEach(() => init(reference()));

const facts = 3 * 4;
/** Bytes of token ids and labels (i32) and the mask, for 4 rows of 5 tokens. */
const batch = [80, 80, 20];

describe("a training step reads once and writes its batch alone", () => {
  it.each(["adamw", "adamw8bit"] as const)("%s", async (optimizer) => {
    const { model, reads, writes } = await counted();
    await new Trainer(model, examples, { ...options, optimizer }).train();
    expect(reads).toEqual([facts, facts, facts]);
    expect(writes).toEqual([...batch, ...batch, ...batch]);
  });

  it("of several batches", async () => {
    const { model, reads, writes } = await counted();
    await new Trainer(model, examples, { ...options, gradientAccumulationSteps: 3, maxSteps: 2 }).train();
    expect(reads).toEqual([facts, facts]);
    expect(writes).toEqual(Array.from({ length: 6 }, () => batch).flat());
  });

  it("with gradient checkpointing", async () => {
    const { model, reads, writes } = await counted();
    model.gradientCheckpointingEnable();
    await new Trainer(model, examples, options).train();
    expect(reads).toEqual([facts, facts, facts]);
    expect(writes).toEqual([...batch, ...batch, ...batch]);
  });

  it.each([
    ["SGD", (p: CausalLM) => new SGD([...p.parameters()], { lr: 0.1, momentum: 0.9 })],
    ["RMSprop", (p: CausalLM) => new RMSprop([...p.parameters()], { momentum: 0.5 })],
    ["Adagrad", (p: CausalLM) => new Adagrad([...p.parameters()])],
    ["AdamW", (p: CausalLM) => new AdamW([...p.parameters()])],
  ])("%s of one's own", async (_name, make) => {
    const { model, reads, writes } = await counted();
    const { learningRate: _, ...rest } = options;
    const optimizer = make(model) as unknown as Optimizer<never>;
    await new Trainer(model, examples, { ...rest, optimizer } as TrainerOptions).train();
    expect(reads).toEqual([facts, facts, facts]);
    expect(writes).toEqual([...batch, ...batch, ...batch]);
  });
});
