import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";

const program = `
import { firstAvailable, init, matmul, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { webgpu } from "@lowrank/webgpu";
await init(firstAvailable(webgpu, wasm));
const x = tensor([1, 2, 3, 4], { shape: [2, 2] });
console.log(String(await matmul(x, x).data()));
`;

/** Hides the npm package `webgpu`, as for users who install only Lowrank. */
const withoutPackage = `
import { registerHooks } from "node:module";
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== "webgpu") return next(specifier, context);
    throw Object.assign(new Error("Cannot find package 'webgpu'"), { code: "ERR_MODULE_NOT_FOUND" });
  },
});
`;

/** Runs a program in a Node process without a WebGPU driver. */
function run(source: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", source], {
    cwd: import.meta.dirname,
    env: { ...process.env, VK_DRIVER_FILES: "/nowhere.json" },
    encoding: "utf8",
    timeout: 50_000,
  });
  // A Vulkan loader and Dawn also write warnings.
  return { status, stdout, said: stderr.split("\n").filter((line) => line.startsWith("webgpu:")) };
}

describe("in Node, wasm works after one sentence on the console", () => {
  it("without a driver", () => {
    const reason = "webgpu: no adapter was found: there is no graphics driver that WebGPU can use here";
    expect(run(program)).toEqual({ status: 0, stdout: "7,10,15,22\n", said: [`${reason}; wasm is used instead`] });
  });

  it("without npm webgpu", () => {
    const source = `${withoutPackage}\n${program.replace(/^import (.*) from (".*");$/gm, "const $1 = await import($2);")}`;
    const reason = "webgpu: Node has no built-in WebGPU, and the npm package webgpu is not installed";
    expect(run(source)).toEqual({ status: 0, stdout: "7,10,15,22\n", said: [`${reason}; wasm is used instead`] });
  });
});
