import { readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, describe, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, at, lowrank, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const base = "model: model\ndata: [text.txt]\nblockSize: 16\nbatch-size: 2\nsteps: 2\nlr: 1e-3\n";
const rank = async (output: string) => JSON.parse(await readFile(at(`${output}/adapter_config.json`), "utf8")).r;

/** Runs `lowrank train` with such a file, and returns its error message. */
async function failure(text: string, name = "wrong.yaml"): Promise<string> {
  await writeFile(at(name), text);
  const { code, stderr } = await lowrank(["train", name]);
  expect(code).toBe(1);
  return stderr;
}

describe("a run's file", () => {
  test("gives options by their names, in camelCase and kebab-case; the command line goes first", async () => {
    await writeFile(at("run.yaml"), `${base}output: by-file\nr: 3\ntarget-modules: [q_proj, v_proj]\nverify: true\n`);
    const { stdout } = await succeed(["train", "run.yaml"]);
    expect(stdout).toContain("read again");
    expect(stdout).toContain("adapter on 4 modules: 2 q_proj, 2 v_proj");
    expect(await rank("by-file")).toBe(3);
    await succeed(["train", "run.yaml", "--output", "by-flag", "--r", "5", "--data", "text.txt"]);
    expect(await rank("by-flag")).toBe(5);
  });

  test("of JSON, with a text for a list, an object for names, and false for a flag", async () => {
    const options = { model: "model", data: "pairs.jsonl", columns: { prompt: "prompt", completion: "completion" } };
    const others = { output: "by-json", epochs: 9, lr: "1e-3", verify: false, targetModules: "q_proj" };
    await writeFile(at("run.json"), JSON.stringify({ ...options, ...others }));
    // `--steps` of the command line overrides `epochs` of the file.
    const { stdout } = await succeed(["train", "run.json", "--steps", "1"]);
    expect(stdout).toContain("at step 1 ");
    expect(stdout).not.toContain("read again");
  });

  test("a model as a word goes before the file's", async () => {
    await writeFile(at("elsewhere.yaml"), base.replace("model: model", "model: nowhere"));
    const { stdout } = await succeed(["train", "elsewhere.yaml", "model", "--output", "by-word"]);
    expect(stdout).toContain("by-word");
  });

  test("errors name file, line and the nearest name", async () => {
    expect(await failure(`${base}output: x\nbatch_sise: 3\n`)).toContain(
      "wrong.yaml:8: lowrank train has no option batch_sise; did you mean batchSize?",
    );
    expect(await failure(`${base}xyzzyplugh: 3\n`)).toContain("lowrank train --help lists all");
    expect(await failure(`${base}output: x\nlr: 2\n`)).toMatch(/wrong.yaml:8:1: .*unique/);
    expect(await failure(`${base}output: x\nbatchSize: 2\n`)).toContain("wrong.yaml:8: batchSize is given twice");
    expect(await failure(`${base}output: x\nseed: much\n`)).toContain(
      'wrong.yaml:8: seed is "much". Expected a whole number of at least 0.',
    );
    expect(await failure(`${base}output: x\nschedule: steep\n`)).toContain("Allowed choices are constant, linear");
    expect(await failure(`${base}output: x\nverify: 3\n`)).toContain("verify is 3; give true or false");
    expect(await failure(`${base}output: x\nseed:\n`)).toContain("seed is null; give a value that --seed accepts");
    expect(await failure(`${base}output: x\nepochs: 3\n`)).toContain("cannot be used with option");
    expect(await failure("model: [a\n")).toMatch(/^error: wrong.yaml:2:1: /);
    expect(await failure("- a\n")).toContain("expected options by name");
    expect(await failure(base)).toContain("required option '--output <dir>' not specified");
    expect((await lowrank(["train", "none.yaml"])).stderr).toContain("none.yaml: there is no such file");
  });
});
