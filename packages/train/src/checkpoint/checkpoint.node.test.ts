import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init, reference, to } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { Parameter } from "@lowrank/nn";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { Trainer } from "../trainer/trainer.ts";

const folder = mkdtempSync(join(tmpdir(), "lowrank-checkpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(async () => {
  await init(reference());
});

/** GPT-2 with dropout, so that its random generator must be restored too. */
const newModel = (nEmbd = 8, dtype: "f32" | "bf16" = "f32") => {
  const sizes = { vocab_size: 11, n_positions: 16, n_embd: nEmbd, n_layer: 1, n_head: 2 };
  const dropout = { attn_pdrop: 0.2, embd_pdrop: 0.2, resid_pdrop: 0.2 };
  const config = parseModelConfig({ model_type: "gpt2", ...sizes, ...dropout });
  const draw = randomParameters(new Generator(5));
  return createModel(config, (...wanted) => new Parameter(to(draw(...wanted).detach(), { dtype })));
};

const examples = Array.from({ length: 10 }, (_, i) => {
  const inputIds = Array.from({ length: 5 }, (_, t) => 1 + ((i * 3 + t) % 9));
  return { inputIds, labels: inputIds };
});
const options: TrainerOptions = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: 9 };

it("goes on from a checkpoint as if it had never stopped, to the last bit", async () => {
  const whole = await new Trainer(newModel(), examples, options).train();
  await new Trainer(newModel(), examples, { ...options, checkpoints: { folder, every: 4 } }).train();
  expect(readdirSync(folder).sort()).toEqual(["checkpoint-4", "checkpoint-8", "checkpoint-9"]);
  const resumed = new Trainer(newModel(), examples, options);
  await resumed.resume(join(folder, "checkpoint-4"));
  const rest = await resumed.train();
  expect(rest.losses).toEqual(whole.losses.slice(4));
  expect(await new Trainer(newModel(), examples, options).resume(folder)).toBe(9);
  await expect(resumed.resume(join(folder, "none"))).rejects.toThrow("There is no folder");
});

it("goes on with 8-bit moments to the last bit too, and refuses those of another optimiser", async () => {
  const small = { ...options, optimizer: "adamw8bit", maxSteps: 4 } as const;
  const wide = () => newModel(40);
  const whole = await new Trainer(wide(), examples, small).train();
  const checkpoints = { folder: join(folder, "8bit"), every: 2 };
  await new Trainer(wide(), examples, { ...small, checkpoints }).train();
  const from = join(folder, "8bit", "checkpoint-2");
  const resumed = new Trainer(wide(), examples, small);
  await resumed.resume(from);
  expect((await resumed.train()).losses).toEqual(whole.losses.slice(2));
  // f32 moments take twice the size of the parameters.
  const full = statSync(join(from, "trainable.safetensors")).size;
  expect(statSync(join(from, "optimizer.safetensors")).size).toBeLessThan(0.8 * full);
  const other = new Trainer(wide(), examples, { ...small, optimizer: "adamw" });
  await expect(other.resume(from)).rejects.toThrow('optimizer is "adamw", and "adamw8bit" in the checkpoint');
});

it("trains a model in bf16 by f32 copies of its parameters, and goes on with them to the last bit", async () => {
  const small = { ...options, learningRate: 1e-3, maxSteps: 6, maxGradNorm: 0.5 } as const;
  const half = () => newModel(8, "bf16");
  const whole = await new Trainer(half(), examples, small).train();
  const wide = await new Trainer(newModel(), examples, small).train();
  for (const [i, loss] of wide.losses.entries()) expect(Math.abs(whole.losses[i] / loss - 1)).toBeLessThan(1e-2);
  const checkpoints = { folder: join(folder, "half"), every: 3 };
  await new Trainer(half(), examples, { ...small, checkpoints }).train();
  const resumed = new Trainer(half(), examples, small);
  await resumed.resume(join(folder, "half", "checkpoint-3"));
  expect((await resumed.train()).losses).toEqual(whole.losses.slice(3));
});

it("writes no checkpoint that is not finite", async () => {
  const model = newModel();
  const onStep = () => {
    const { buffer, backend } = [...model.parameters()][1].storage;
    backend.write(buffer, new Uint8Array(Float32Array.of(Number.NaN).buffer));
  };
  const checkpoints = { folder: join(folder, "broken"), every: 1 };
  await expect(new Trainer(model, examples, { ...options, onStep, checkpoints }).train()).rejects.toThrow(
    "saving transformer.wpe.weight: its element 0 is NaN or infinite, and nothing is written",
  );
  expect(existsSync(checkpoints.folder)).toBe(false);
});

it("refuses the checkpoint of another model", async () => {
  const other = new Trainer(newModel(12), examples, options);
  await expect(other.resume(join(folder, "checkpoint-4"))).rejects.toThrow(/is \[11,8\], this run trains \[11,12\]/);
});
