// The process in which the tests of mutants run. It keeps one Vitest, with its transformed sources, until its parent
// ends it. The parent sends the path of a changed file. The answer lists the test files that fail.
import { dirname, join } from "node:path";
import { createVitest, type Reporter, type TestModule, type TestSpecification } from "vitest/node";

/** A change to test, with the path of its file from the root, or test files to run again. */
export interface Order {
  readonly changed: string;
  /** Excluded test files of the package of `changed`. */
  readonly without: readonly string[];
  /** If given, only these test files run. */
  readonly tests?: readonly string[];
}

/** A message of the tester: "alive" after each test, or at the end the failed test files. */
export type Answer = "alive" | { readonly failed: readonly string[]; readonly beside: boolean };

const root = process.cwd();

/** Long tests that run too, after all others of their package: they alone run most kernels of WebGPU. */
const longTests = ["packages/webgpu/src/backend.long.test.ts", "packages/webgpu/src/fused.long.node.test.ts"];

/** Tests that run first if they import the changed file. They detect most changes of kernels within seconds. */
const firstTests = ["packages/webgpu/src/kernels/record.node.test.ts"];

function send(answer: Answer): void {
  process.send?.(answer);
}

const alive: Reporter = { onTestCaseResult: () => send("alive"), onTestModuleCollected: () => send("alive") };
const vitest = await createVitest("test", {
  root,
  watch: false,
  bail: 1,
  project: ["node", "fresh", "long"],
  reporters: [alive],
});

const isLong = ({ project }: TestSpecification): boolean => project.name === "long";

const isAmong = ({ moduleId }: TestSpecification, names: readonly string[]): boolean =>
  names.some((name) => moduleId === join(root, name));

async function failuresOf(specifications: readonly TestSpecification[]): Promise<string[]> {
  if (specifications.length === 0) return [];
  const ran = new Set(specifications.map(({ moduleId }) => moduleId));
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications([...specifications]);
  const failed = testModules.filter((module: TestModule) => ran.has(module.moduleId) && !module.ok());
  const names = failed.map(({ relativeModuleId }) => relativeModuleId);
  return names.length === 0 && unhandledErrors.length > 0 ? ["an unhandled error"] : names;
}

async function answerTo({ changed, without, tests }: Order): Promise<Answer> {
  const path = join(root, changed);
  vitest.invalidateFile(path);
  const own = changed.split("/").slice(0, 2).join("/");
  const all = (await vitest.globTestSpecifications([`${own}/src/`])).filter(
    (one) => !isAmong(one, without) && (!isLong(one) || isAmong(one, longTests)),
  );
  if (tests) {
    const again = all.filter((one) => isAmong(one, tests));
    return { failed: await failuresOf(again), beside: false };
  }
  vitest.config.related = [path];
  const importing = new Set((await vitest.getRelevantTestSpecifications([`${own}/src/`])).map((one) => one.moduleId));
  const first = all.filter((one) => importing.has(one.moduleId) && isAmong(one, firstTests));
  const early = await failuresOf(first);
  if (early.length > 0) return { failed: early, beside: false };
  const beside = all.filter((one) => dirname(one.moduleId) === dirname(path) && !isLong(one) && !first.includes(one));
  const failed = await failuresOf(beside);
  if (failed.length > 0) return { failed, beside: true };
  const others = all.filter((one) => importing.has(one.moduleId) && !beside.includes(one) && !first.includes(one));
  const soon = await failuresOf(others.filter((one) => !isLong(one)));
  return { failed: soon.length > 0 ? soon : await failuresOf(others.filter(isLong)), beside: false };
}

process.on("message", (order: Order) => void answerTo(order).then(send));
process.on("disconnect", () => process.exit());
send("alive");
