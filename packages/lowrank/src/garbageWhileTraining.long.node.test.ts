import { spawnSync } from "node:child_process";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { describe, expect, it } from "vitest";

const program = `
import { getPeftModel, init, Linear, LoraConfig, Module, mseLoss, tensor, Trainer } from "lowrank";
import { webgpu } from "@lowrank/webgpu";

class Net extends Module {
  up = Linear.create(4, 4);
  forward(x) {
    return this.up.forward(x);
  }
}

const rows = Array.from({ length: 8 }, (_, i) => [i, i + 1, i + 2, i + 3]);
const collect = setInterval(gc, 1);
for (let round = 0; round < 3; round++) {
  // The first one is ended, the next ones are left to the end of the process.
  const backend = await init(webgpu());
  const peft = await getPeftModel(new Net(), new LoraConfig({ r: 4, loraDropout: 0.2, targetModules: ["up"] }));
  const trainer = new Trainer(peft, rows, {
    ...{ learningRate: 1e-3, batchSize: 4, maxSteps: 8 },
    collate: (batch) => tensor(batch),
    loss: (model, x) => mseLoss(model.forward(x), x),
    onStep: gc,
  });
  const { losses } = await trainer.train();
  if (losses.length !== 8) throw new Error("steps are missing");
  if (round === 0) backend.dispose();
}
clearInterval(collect);
console.log("done");
`;

describe.skipIf(noWebGpu)("a process that trains on webgpu", () => {
  it("ends with 0 where garbage is collected all the time", { timeout: 120_000 }, () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--expose-gc", "--input-type=module", "--eval", program],
      { cwd: import.meta.dirname, encoding: "utf8", timeout: 110_000 },
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "done\n", stderr: "" });
  });
});
