import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../bundles/check.ts";

/** Versions of the runners and of fast-check, which are installed from npm's registry. */
const versions = { vitest: "5.1.1", jest: "30.5.2", "fast-check": "4.11.0" };

/** A runner, the module that its test files import, and its command. */
interface Runner {
  readonly name: string;
  readonly testModule: string;
  readonly command: readonly string[];
  /** Options after the test file. */
  readonly options?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const runners: readonly Runner[] = [
  { name: "node:test", testModule: "node:test", command: ["node", "--test"] },
  {
    name: "Vitest",
    testModule: "vitest",
    command: ["npx", "--no-install", "vitest", "run"],
    options: ["--testTimeout=120000"],
  },
  {
    name: "Jest",
    testModule: "@jest/globals",
    command: ["npx", "--no-install", "jest"],
    options: ["--testTimeout=120000", "--testMatch=**/*.test.js"],
    env: { NODE_OPTIONS: "--experimental-vm-modules" },
  },
];

/** Tests the merge of all methods, as docs/testing.md shows. */
const methods = `
import { init, wasm } from "lowrank";
import { checkMethod, methodNames } from "lowrank/testing";

await init(wasm());
for (const method of await methodNames()) {
  test(\`\${method} merges\`, async () => {
    await checkMethod(method, { properties: ["mergeEqualsUnmerged"], runs: 1 });
  });
}
`;

/** Tests a copy of LoRA that merges 0.9 of its update into one layer. */
const faulty = `
import { definePeftMethod, init, lora, LoraConfig, registerPeftMethod, wasm } from "lowrank";
import { checkMethod } from "lowrank/testing";

class FaultyConfig extends LoraConfig {
  peftType = "FAULTY";
}
const config = ({ r, targetModules }) => new FaultyConfig({ r, targetModules });
registerPeftMethod(
  definePeftMethod({
    ...lora,
    ...{ peftType: "FAULTY", Config: FaultyConfig },
    recipes: [{ name: "faulty", title: "faulty", learningRate: 1e-3, config }],
    async createLayer(context) {
      const layer = await lora.createLayer(context);
      if (!context.path.endsWith("down_proj")) return layer;
      const merge = layer.merge.bind(layer);
      layer.merge = (base, bare) => {
        const merged = merge(base, bare);
        return { ...merged, weight: base.weight.add(merged.weight.sub(base.weight).mul(0.9)) };
      };
      return layer;
    },
  }),
);
await init(wasm());
test("a faulty merge", async () => {
  await checkMethod("FAULTY", { properties: ["mergeEqualsUnmerged"], runs: 20 });
});
`;

/** Sentences of the failure: the layer and the smallest model. */
const expected = [
  /model\.layers\.0\.mlp\.down_proj is the first layer with different outputs/,
  /Smallest failing case after \d+ shrinks, drawn by fast-check/,
  /"layers":1,"width":4,/,
];

/**
 * Runs the merge property of all methods in an empty project that installs the packed archives, with each runner, and
 * with and without fast-check. A method with a planted fault must fail, and the message must have a small model and the
 * layer. Calls `count` with each result.
 */
export function checkRunners(
  { work, archives, env }: { work: string; archives: readonly string[]; env: NodeJS.ProcessEnv },
  count: (name: string, problems: readonly string[]) => void,
): void {
  const folder = join(work, "runners");
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const install = ["npm", "install", "--no-audit", "--no-fund"];
  const run = (runner: Runner, file: string, code: string) => {
    const importLine = `import { test } from "${runner.testModule}";`;
    writeFileSync(join(folder, file), `${importLine}${code}`);
    const words = [...runner.command, runner.name === "node:test" ? file : file.replace(".js", "")];
    return command(folder, { ...env, ...runner.env, CI: "true", NO_COLOR: "1" }, ...words, ...(runner.options ?? []));
  };
  count("install for runners", command(folder, env, ...install, ...archives).problems);
  count("node:test without fast-check", run(runners[0], "methods.test.js", methods).problems);
  const named = Object.entries(versions).map(([name, version]) => `${name}@${version}`);
  count("install runners", command(folder, env, ...install, ...named).problems);
  for (const runner of runners) {
    count(`the merge of all methods, ${runner.name}`, run(runner, "methods.test.js", methods).problems);
    const { problems, output } = run(runner, "faulty.test.js", faulty);
    const missing = expected.filter((sentence) => !sentence.test(output));
    const unexpected = missing.map((sentence) => `the output lacks ${sentence}:\n${output.slice(-2000)}`);
    count(`a planted fault, ${runner.name}`, problems.length === 0 ? ["the fault was not found"] : unexpected);
  }
}
