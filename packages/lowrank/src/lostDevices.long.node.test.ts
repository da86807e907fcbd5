import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Backend, Generator, init, mseLoss, type Tensor, tensor } from "@lowrank/core";
import { Linear, Module } from "@lowrank/nn";
import { getPeftModel, LoraConfig, type PeftModel } from "@lowrank/peft";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { getLastCheckpoint, Trainer } from "@lowrank/train";
import { type WebGpuBackend, webgpu } from "@lowrank/webgpu";
import { afterAll, describe, expect, it } from "vitest";

const run = mkdtempSync(join(tmpdir(), "lowrank-lost-"));
afterAll(() => rmSync(run, { recursive: true, force: true }));

/** Number of destroyed devices. For more: LOWRANK_DESTROYS=200 pnpm test packages/lowrank/src/lostDevices */
const destroys = Number(process.env.LOWRANK_DESTROYS ?? 30);
/** More steps than all destroyed devices together can take. */
const maxSteps = 2 * destroys;
const every = 2;

class Net extends Module {
  readonly up: Linear;
  readonly down: Linear;

  constructor(generator: Generator) {
    super();
    this.up = Linear.create(4, 4, { generator });
    this.down = Linear.create(4, 4, { generator });
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(this.up.forward(x));
  }
}

const rows = Array.from({ length: 12 }, (_, i) => Array.from({ length: 4 }, (_, t) => Math.sin(3 * i + t)));
const config = new LoraConfig({ r: 4, loraDropout: 0.2, targetModules: ["up", "down"] });

/** Trains on a backend to the last step, from the newest checkpoint if the run has one. */
async function train(backend: Backend, folder: string | null): Promise<PeftModel<Net>> {
  await init(backend);
  const peft = await getPeftModel(new Net(new Generator(1)), config, { generator: new Generator(2) });
  const trainer = new Trainer(peft, rows, {
    ...{ learningRate: 1e-2, batchSize: 4, maxSteps, seed: 3 },
    collate: (batch: readonly number[][]) => tensor(batch),
    loss: (model: PeftModel<Net>, x: Tensor) => mseLoss(model.forward(x), x.mul(2)),
    checkpoints: folder === null ? undefined : { folder, every },
    onWarning: ({ code }) => expect(code).toBe("incomplete-checkpoint"),
  });
  if (folder !== null && (await getLastCheckpoint(folder, () => {})) !== null) await trainer.resume(folder);
  await trainer.train();
  return peft;
}

/** Returns the bytes of an adapter's weights, by name. */
async function weights(peft: PeftModel<Net>): Promise<Map<string, string>> {
  const bytes = new Map<string, string>();
  for (const [name, t] of peft.adapterTensors()) bytes.set(name, Buffer.from(await t.bytes()).toString("hex"));
  return bytes;
}

/** Returns a backend that calls `tick` at each call that reaches the device. */
function counted(backend: WebGpuBackend, tick: () => void): Backend {
  const own: Partial<Backend> = {};
  for (const name of ["alloc", "write", "fill", "run", "read"] as const) {
    const call = backend[name] as (...args: never[]) => unknown;
    Object.assign(own, {
      [name]: (...args: never[]) => {
        tick();
        return call(...args);
      },
    });
  }
  return { ...backend, ...own };
}

/** Times to destroy a device: during a call, while its result is pending, and between turns of the event loop. */
const moments: readonly ((fn: () => void) => unknown)[] = [(fn) => fn(), queueMicrotask, setImmediate];

describe.skipIf(noWebGpu)("a training whose device is lost", () => {
  it(`ends as one in one go, to the bit, after ${destroys} destroys`, { timeout: 1_200_000 }, async () => {
    const whole = await webgpu();
    let calls = 0;
    const expected = await weights(
      await train(
        counted(whole, () => calls++),
        null,
      ),
    );
    whole.dispose();
    // A device is destroyed within the calls of about five steps, some of which the start needs.
    const most = (5 * calls) / maxSteps;

    const random = new Generator(4);
    const drawn = new Float32Array(2);

    const ends = new Map<string, number>();
    for (let life = 0; life < destroys; life++) {
      const backend = await webgpu();
      random.fillUniform(drawn);
      const [at, how] = drawn;
      let left = Math.floor(at * most);
      const destroy = (): void => backend.device.destroy();
      const tick = (): void => {
        if (left-- !== 0) return;
        const when = moments[Math.floor(how * moments.length)];
        when(destroy);
      };
      const error = await train(counted(backend, tick), run).then(
        () => new Error("the training came to its end"),
        (reason: Error) => reason,
      );
      expect(error.message, `life ${life}`).toMatch(
        /^webgpu: the device is lost \(it was destroyed.*\); its tensors are lost: call init\(webgpu\(\)\) again/,
      );
      const last = (await getLastCheckpoint(run, () => {})) ?? "none";
      ends.set(last, (ends.get(last) ?? 0) + 1);
    }
    // The destroyed devices did much of the work, and no device all of it.
    expect(ends.size).toBeGreaterThan(destroys / 4);
    const fresh = await webgpu();
    expect(await weights(await train(fresh, run))).toEqual(expected);
    fresh.dispose();
  });
});
