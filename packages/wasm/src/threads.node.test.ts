import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

it("lets a program end while its threads sleep", () => {
  const program = `
    import { matmul, tensor } from "@lowrank/core";
    import { wasm } from "@lowrank/wasm";
    const backend = await wasm({ threads: 2, grain: 1 });
    const x = tensor(new Float32Array(64).fill(1), { shape: [8, 8], backend });
    console.log(backend.threads, (await matmul(x, x).data())[0]);`;
  const args = ["--input-type=module", "--eval", program];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    cwd: import.meta.dirname,
    encoding: "utf8",
    timeout: 30_000,
  });
  expect({ stdout, stderr, status }).toEqual({ stdout: "2 8\n", stderr: "", status: 0 });
});
