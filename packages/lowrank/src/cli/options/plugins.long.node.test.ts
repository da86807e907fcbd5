import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";
import type { Outcome } from "../../testing/runCommand.ts";
import { pluginFiles } from "./plugins.ts";

const { folder, at, process, ...bare } = await commandFolder();
// A plugin registers methods permanently, and needs the packages that Node itself loads. So it is loaded in a separate
// process. `bare` runs the command in this process, without plugins.
const { lowrank, succeed } = process;
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Method that scales the output of a layer, with its own option. */
const scale = `
import { add, mul, zeros } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import { definePeftMethod, PeftConfig, registerPeftMethod, targetsOption } from "lowrank";

export class ScaleConfig extends PeftConfig {
  constructor(options = {}) {
    super("test/SCALE", options);
    this.myFlag = options.myFlag ?? 1;
  }
}

class Scale {
  constructor({ base, backend, config }) {
    using start = zeros([base.outFeatures], { backend });
    this.parameters = { scale: new Parameter(start) };
    this.factor = config.myFlag;
  }
  forward(x, base) {
    return mul(base.forward(x), add(mul(this.parameters.scale, this.factor), 1));
  }
}

export const method = {
  peftType: "test/SCALE",
  Config: ScaleConfig,
  format: { classic: ["target_modules", "task_type"], floats: [], refused: {}, ignored: {} },
  kinds: ["linear"],
  defaultTargets: { llama: ["q_proj", "v_proj"] },
  recipes: [{ name: "scale", title: "Scaling", learningRate: 0.05, config: () => new ScaleConfig() }],
  options: [
    targetsOption,
    { field: "myFlag", flag: "my-flag", type: "number", above: 0, help: "how strong the scales are" },
  ],
  createLayer: (context) => new Scale(context),
};

registerPeftMethod(definePeftMethod(method));
`;

beforeAll(async () => {
  await writeFile(at("scale.mjs"), scale);
  await mkdir(at("folder"));
});

const plugin = ["--plugin", "scale.mjs"];
const train = "train --model model --data text.txt --block-size 32 --batch-size 4 --steps 20 --method scale".split(" ");

describe("a method of a plugin", () => {
  let trained: Outcome;
  beforeAll(async () => {
    trained = await succeed([...train, ...plugin, "--my-flag", "2", "--output", "scaled"]);
  });

  test("trains with its option and its learning rate, and is saved", async () => {
    const { stdout } = trained;
    expect(stdout).toContain("adapter on 4 modules: 2 q_proj, 2 v_proj");
    expect(stdout).toContain("learning rate: 0.05 at its peak");
    const [, before, after] = /nats per token: ([\d.]+) at step 0.*, ([\d.]+) at step 20/.exec(stdout) ?? [];
    expect(Number(after)).toBeLessThan(Number(before));
    const config = JSON.parse(await readFile(at("scaled/adapter_config.json"), "utf8"));
    expect(config).toMatchObject({ peft_type: "test/SCALE", my_flag: 2, task_type: "CAUSAL_LM" });
  });

  test("shares flags that others have", async () => {
    const words = [...train, ...plugin, "--target-modules", "k_proj", "--output", "keys"];
    expect((await succeed(words)).stdout).toContain("adapter on 2 modules: 2 k_proj");
  });

  test("is loaded by generate with the plugin", async () => {
    const generate = "generate --model model --max-new-tokens 12 --prompt cat".split(" ");
    const asked = await succeed([...generate, "--adapter", "scaled", ...plugin]);
    expect(asked.stderr).toBe("");
    expect(asked.stdout).not.toBe((await bare.succeed(generate)).stdout);
  });

  test("is named where the plugin is missing, with the fix", async () => {
    const loaded = await bare.lowrank("generate --model model --adapter scaled --prompt cat".split(" "));
    expect(loaded).toMatchObject({ code: 1, stdout: "" });
    expect(loaded.stderr).toMatch(
      /^error: .*peft_type is "test\/SCALE"; .*registerPeftMethod.*; --plugin <file> reads a module/,
    );
    const named = await bare.lowrank([...train, "--output", "none"]);
    expect(named.stderr).toMatch(/^error: there is no method "scale"; .*--plugin <file>/);
  });

  test("has a line in report, alone and among others", async () => {
    const all = await succeed(["report", "model", ...plugin, "--format", "csv"]);
    expect(all.stdout).toMatch(/^Scaling,,,48,/m);
    const one = await succeed(["report", "model", ...plugin, "--method", "scale", "--my-flag", "3", "--format", "csv"]);
    expect(one.stdout).toMatch(/^Scaling myFlag=3,,,48,.*,myFlag=3,/m);
    const disk = await succeed(["report", "model", ...plugin, "--adapter", "scaled"]);
    expect(disk.stdout).toContain("trainable params: 48 ||");
  });

  test("is planned", async () => {
    const { stdout } = await succeed(["plan", "model", ...plugin, "--method", "scale", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ method: "scale", adapter: { parameters: 48 } });
  });

  test("is compared, in processes that read the plugin", async () => {
    const words = "compare --model model --data text.txt --block-size 16 --methods scale,ia3 --seeds 1 --steps 2";
    const { stdout } = await succeed([...words.split(" "), "--batch-size", "2", "--json", ...plugin]);
    const [own, ia3] = JSON.parse(stdout).methods;
    expect(own).toMatchObject({ method: "Scaling", trainable: 48, learningRate: 0.05, loss: expect.any(Number) });
    expect(ia3.loss).toEqual(expect.any(Number));
  });

  test.each(["train", "plan", "report"])("%s --help shows its flag", async (command) => {
    const { stdout } = await succeed([command, "--help", ...plugin]);
    expect(stdout).toMatch(
      /^Options with --method scale:\n {2}--my-flag <x> +how strong the scales are \(default: 1\)$/m,
    );
    expect(stdout).toContain("adaption-prompt, scale");
    expect((await bare.succeed([command, "--help"])).stdout).not.toContain("--my-flag");
  });

  test("has no flags of others, nor others its", async () => {
    const alpha = await lowrank([...train, ...plugin, "--alpha", "3", "--output", "none"]);
    expect(alpha.stderr).toMatch(/^error: --alpha is no option of scale, which has --target-modules, --my-flag; leave/);
    const others = await lowrank(["plan", "model", ...plugin, "--method", "ia3", "--my-flag", "3"]);
    expect(others.stderr).toMatch(/^error: --my-flag is no option of ia3, .*; leave it out, or take --method scale\n$/);
    const low = await lowrank(["plan", "model", ...plugin, "--method", "scale", "--my-flag", "0"]);
    expect(low.stderr).toContain("argument '0' is invalid. Expected a number above 0.");
  });
});

test("a plugin may be TypeScript, register nothing, and be one of several", async () => {
  await writeFile(at("nothing.ts"), "export const nothing: number = 1;\n");
  const { stdout } = await succeed(["plan", "--help", "--plugin=nothing.ts", ...plugin]);
  expect(stdout).toContain("--my-flag <x>");
  expect(stdout).toContain("--plugin <file>");
});

test("a plugin meets the command's packages, whatever lies beside it, and others from there", async () => {
  const own = at("own/node_modules/@lowrank");
  for (const [name, text] of [
    ["peft", 'throw new Error("another copy");'],
    ["beside", 'export { registerPeftMethod } from "@lowrank/peft";'],
  ]) {
    await mkdir(`${own}/${name}`, { recursive: true });
    await writeFile(`${own}/${name}/package.json`, JSON.stringify({ type: "module", exports: "./index.js" }));
    await writeFile(`${own}/${name}/index.js`, text);
  }
  const imports =
    'import { registerPeftMethod } from "@lowrank/beside";\nimport { definePeftMethod, PeftConfig, targetsOption } from "@lowrank/peft";';
  await writeFile(at("own/scale.mjs"), scale.replace(/^import .* from "lowrank";$/m, imports));
  const { stdout } = await succeed("plan model --json --method scale --plugin own/scale.mjs".split(" "));
  expect(JSON.parse(stdout)).toMatchObject({ method: "scale", adapter: { parameters: 48 } });
});

test("a method without recipes and options has a recipe of its defaults", async () => {
  const plain = scale.replace(/ {2}recipes: [\s\S]*? {2}createLayer/, "  createLayer");
  await writeFile(at("plain.mjs"), plain);
  const { stdout } = await succeed("plan model --json --method test-scale --plugin plain.mjs".split(" "));
  expect(JSON.parse(stdout)).toMatchObject({ method: "test-scale", adapter: { parameters: 48 } });
});

test("a plugin registers an architecture", async () => {
  const architecture = `
    import { registerArchitecture } from "lowrank";
    import { architectures } from "@lowrank/models";
    const llama = architectures().find(({ modelType }) => modelType === "llama");
    registerArchitecture({ ...llama, modelType: "test/llama" });
  `;
  await writeFile(at("architecture.mjs"), architecture);
  await mkdir(at("like"));
  const config = JSON.parse(await readFile(at("model/config.json"), "utf8"));
  await writeFile(at("like/config.json"), JSON.stringify({ ...config, model_type: "test/llama" }));
  const planned = (await succeed("plan like --json --plugin architecture.mjs".split(" "))).stdout;
  expect(JSON.parse(planned)).toMatchObject({ parameters: expect.any(Number), method: "lora" });
  expect((await bare.lowrank(["plan", "like"])).stderr).toContain('model_type is "test/llama"');
});

describe("errors name the file and the fix", () => {
  const renamed = (from: string | RegExp, to: string) => scale.replace(from, to);
  test.each([
    ["nowhere.mjs", null, /nowhere\.mjs: there is no such file; give the path of an ES module/],
    ["folder", null, /folder is a folder; give the module in it/],
    ["throws.mjs", 'throw new Error("not today");', /throws\.mjs cannot be read: not today; correct the module/],
    ["syntax.mjs", "const = 3;", /syntax\.mjs cannot be read: .*; correct the module/],
    ["lacks.mjs", 'import "nowhere-to-be-found";', /'nowhere-to-be-found'.*; install it next to the plugin/],
    ["enum.ts", "enum A { B }", /enum\.ts cannot be read: .*; correct the module/],
    [
      "taken.mjs",
      renamed('name: "scale"', 'name: "dora"'),
      /test\/SCALE: its recipe name dora is already used by LORA;/,
    ],
    [
      "full.mjs",
      renamed('name: "scale"', 'name: "full"'),
      /recipe name full is already used by training the whole model; give it/,
    ],
    [
      "field.mjs",
      renamed('field: "myFlag"', 'field: "mine"'),
      /--my-flag sets mine, and ScaleConfig has no such field/,
    ],
    [
      "type.mjs",
      renamed("my-flag", "alpha").replace('type: "number"', 'type: "integer"'),
      /--alpha has the type integer/,
    ],
    ["word.mjs", renamed("my-flag", "My Flag"), /"My Flag" cannot be a flag; use lower-case letters/],
    [
      "other.mjs",
      renamed("=> new ScaleConfig()", '=> ({ peftType: "LORA" })'),
      /makes a configuration of LORA; return one of/,
    ],
    ["again.mjs", renamed('peftType: "test/SCALE"', 'peftType: "LORA"'), /there is a method LORA already/],
  ])("%s", async (file, text, message) => {
    if (text !== null) await writeFile(at(file), text);
    const { code, stdout, stderr } = await lowrank(["plan", "gpt2", "--plugin", file]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^error: --plugin .*\n$/);
    expect(stderr).toMatch(message);
    expect(stderr).toContain(at(file));
  });

  test("a flag that a command has is the method's to change", async () => {
    await writeFile(at("taken-flag.mjs"), renamed("my-flag", "seq"));
    const { stderr } = await lowrank(["plan", "gpt2", "--plugin", "taken-flag.mjs"]);
    expect(stderr).toBe("error: test/SCALE: lowrank report has an option --seq already; use another flag\n");
  });
});

test("pluginFiles finds the words of --plugin", () => {
  expect(pluginFiles(["train", "--plugin", "/a", "--plugin=/b", "--lr", "1", "--plugin"])).toEqual(["/a", "/b"]);
  expect(pluginFiles(["train", "--", "--plugin", "/a"])).toEqual([]);
});
