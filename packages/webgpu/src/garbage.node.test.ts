import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { describe, expect, it } from "vitest";

const program = `
import { add, init, tensor } from "@lowrank/core";
import { webgpu } from "@lowrank/webgpu";
for (let round = 0; round < 3; round++) {
  const backend = await init(webgpu());
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    const y = add(tensor([1, 2]), tensor([3, 4]));
    await new Promise((resolve) => setTimeout(resolve, 5));
    globalThis.gc();
    if (String(await y.toArray()) !== "4,6") throw new Error("wrong");
  }
  if (round === 1) backend.dispose();
}
console.log("done");
`;

// Without this folder, drivers print a warning on stderr.
const env = { XDG_RUNTIME_DIR: tmpdir(), ...process.env };

describe.skipIf(noWebGpu)("a process with devices", () => {
  it("ends with 0 where garbage is collected while they live", () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--expose-gc", "--input-type=module", "--eval", program],
      { cwd: join(import.meta.dirname, "../../.."), env, encoding: "utf8", timeout: 50_000 },
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "done\n", stderr: "" });
  });
});
