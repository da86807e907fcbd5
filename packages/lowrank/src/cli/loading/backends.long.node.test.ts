import { rm } from "node:fs/promises";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandFolder, commandFolder } from "../../testing/commandFolder.ts";
import { serveIn } from "../../testing/serveIn.ts";

let folder: CommandFolder;

beforeAll(async () => {
  folder = await commandFolder();
});

afterAll(() => rm(folder.folder, { recursive: true, force: true }));

const train = "train --model model --data text.txt --block-size 32 --steps 4 --batch-size 2 --lr 1e-2 --verify";
const words = (text: string, ...more: string[]) => [...text.split(" "), ...more];
const generate = words("generate --model model --max-new-tokens 8 --greedy --prompt", "the cat");

describe.skipIf(noWebGpu)("--backend webgpu", () => {
  const onGpu = ["--backend", "webgpu"];
  const named = /^backend: webgpu on \S/m;

  test("trains an adapter, which answers as on wasm and is merged", { timeout: 180_000 }, async () => {
    const trained = await folder.succeed(words(train, "--output", "adapter", ...onGpu));
    expect(trained.stdout).toMatch(named);
    expect(trained.stdout).toMatch(/base model with the adapter off: .*, bit-identical/);
    const adapter = ["--adapter", "adapter"];
    const answers = await folder.succeed([...generate, ...adapter, ...onGpu]);
    expect(answers.stderr).toMatch(named);
    expect(answers.stdout).toBe((await folder.succeed([...generate, ...adapter])).stdout);
    const merged = await folder.succeed(words("merge --model model --output merged", ...adapter, ...onGpu));
    expect(merged.stdout).toMatch(named);
    expect(merged.stdout).not.toContain("warning");
    expect(merged.stdout).toMatch(/greedy tokens are the same\nwritten as f32: .* greedy tokens are the same/);
  });

  test("compares methods, and the report names the adapter", { timeout: 180_000 }, async () => {
    const sizes = "--steps 2 --batch-size 2 --seeds 1 --methods lora,qlora";
    const compare = words(`compare --model model --data pairs.jsonl ${sizes}`);
    const { stdout } = await folder.succeed([...compare, ...onGpu, "--json"]);
    const { runs } = JSON.parse(stdout);
    for (const { job, measured } of runs) {
      expect(job.backend).toBe("webgpu");
      expect(measured.backend).toMatch(/^webgpu on \S/);
    }
    expect(runs).toHaveLength(2);
    expect((await folder.succeed(compare)).stdout).toContain("\nbackend: wasm.\n");
  });

  test("serves adapters in one batch, which answer as alone and as on wasm", { timeout: 180_000 }, async () => {
    for (const [name, seed] of Object.entries({ cat: "1", mat: "9" })) {
      await folder.succeed(words(train, "--output", `served/${name}`, "--seed", seed));
    }
    const adapters = "--adapter cat=served/cat --adapter mat=served/mat --kv-cache-tokens 512";
    const answersOf = async (args: string) => {
      const texts: Record<string, string> = {};
      const ask = async (url: string, model: string): Promise<void> => {
        const body = JSON.stringify({ model, prompt: "the cat", max_tokens: 8, temperature: 0 });
        const headers = { "content-type": "application/json" };
        const response = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
        const { text } = (await response.json()).choices[0];
        texts[model] ??= text;
        expect(text).toBe(texts[model]);
      };
      const { code, stderr } = await serveIn(folder, `model ${adapters}${args}`, async (url) => {
        await Promise.all(["model", "cat", "mat"].map((model) => ask(url, model)));
        await ask(url, "cat");
      });
      expect(code).toBe(0);
      return { texts, stderr };
    };
    const { texts, stderr } = await answersOf(" --backend webgpu");
    expect(stderr).toMatch(named);
    expect(new Set(Object.values(texts)).size).toBeGreaterThan(1);
    expect(texts).toEqual((await answersOf("")).texts);
  });
});

describe("without a driver", () => {
  const env = { VK_DRIVER_FILES: "/nowhere.json" };

  test.each([
    generate,
    words(train, "--output", "none"),
    words("compare --model model --data pairs.jsonl"),
    words("serve model"),
  ])("%s says what helps", async (...command) => {
    const { code, stderr } = await folder.process.lowrank([...command, "--backend", "webgpu"], { env });
    const reason = "webgpu: no adapter was found: there is no graphics driver that WebGPU can use here";
    expect(stderr).toContain(`error: --backend webgpu: ${reason}; install a driver, or leave --backend out\n`);
    expect(stderr.match(/error:/g)).toHaveLength(1);
    expect(code).toBe(1);
  });
});

/** Returns environment variables with which a package cannot be found in the command's process. */
function without(name: string): Record<string, string> {
  const program = `
import { registerHooks } from "node:module";
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== "${name}") return next(specifier, context);
    throw Object.assign(new Error("Cannot find package '${name}'"), { code: "ERR_MODULE_NOT_FOUND" });
  },
});`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` };
}

test("without npm webgpu, the error names it", async () => {
  const { code, stderr } = await folder.process.lowrank([...generate, "--backend", "webgpu"], {
    env: without("webgpu"),
  });
  const reason = "Node has no built-in WebGPU, and the npm package webgpu is not installed";
  expect(stderr).toBe(`error: --backend webgpu: webgpu: ${reason}; npm install webgpu, or leave --backend out\n`);
  expect(code).toBe(1);
});

test("no code of it is loaded where it is not asked for", async () => {
  const env = without("@lowrank/webgpu");
  expect((await folder.process.lowrank(generate, { env })).code).toBe(0);
  expect((await folder.process.lowrank([...generate, "--backend", "webgpu"], { env })).code).toBe(1);
});

test.each([
  [["--backend", "cuda"], "Allowed choices are wasm, webgpu."],
  [["--backend", "webgpu", "--threads", "4"], "error: --threads 4 is not for --backend webgpu; leave it out"],
  [["--backend", "webgpu", "--wide-simd"], "error: --wide-simd is not for --backend webgpu; leave it out"],
])("misuse: %s", async (options, message) => {
  const { code, stderr } = await folder.lowrank([...generate, ...options]);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});
