import { readFile, rm, writeFile } from "node:fs/promises";
import { Generator } from "@lowrank/core";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadModel } from "../../load/loadModel.ts";
import { type CommandFolder, commandFolder } from "../../testing/commandFolder.ts";

let work: CommandFolder;

beforeAll(async () => {
  work = await commandFolder();
  for (const [seed, name] of ["adapter", "other"].entries()) {
    const { model } = await loadModel(work.at("model"));
    const config = new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["q_proj", "v_proj"] });
    const peft = await getPeftModel(model, config, { generator: new Generator(seed) });
    await peft.savePretrained(work.at(name));
    peft.unload();
  }
  await writeFile(
    work.at("good.yaml"),
    `# Limits that any adapter keeps.
name: <good> & "quoted"
model: model
generation: { maxNewTokens: 4 }
prompts:
  - prompt: say 1
    matches: ""
  - name: twice
    prompt: "say 2"
    notContains: zzzzzzz
heldOut: { data: pairs.jsonl, maxLoss: 50 }
forgetting: { data: text.txt, maxTokens: 200, window: 32, maxLossIncrease: 40 }
drift: { maxChangedTokens: 1, maxKl: 40 }
masks: { data: pairs.jsonl, limit: 3 }
comparison: { resamples: 200 }
`,
  );
  await writeFile(
    work.at("bad.yaml"),
    `prompts:
  - prompt: say 1
    exact: "<b>never</b>"
  - prompt: say 2
    matches: ""
heldOut:
  data: pairs.jsonl
  maxLoss: 0.001
masks:
  data: pairs.jsonl
  maxLength: 2
`,
  );
});
afterAll(() => rm(work.folder, { recursive: true, force: true }));

test("a suite that passes exits with 0, and writes its results in the formats of the files", async () => {
  const files = ["junit.xml", "results.json", "page.html", "results.txt"].flatMap((file) => ["--output", file]);
  const { code, stdout, stderr } = await work.lowrank(["test", "good.yaml", "--adapter", "adapter", ...files]);
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: "wrote junit.xml\nwrote results.json\nwrote page.html\nwrote results.txt\n",
  });
  expect(stdout).toContain("Prompts\n  ok   2 of 2 prompts\n");
  expect(stdout).toMatch(/ok {3}loss: the mean loss of a token \(nats\) is [\d.]+, at most 50/);
  expect(stdout).toContain("pairs.jsonl:1: 2 of 10 tokens are learned, in [[ ]]\n<s>say 0: [[a</s>]]");
  expect(stdout.trimEnd()).toMatch(/<good> & "quoted": adapter, 16 of 16 checks passed in [\d.]+ s$/);
  expect(await readFile(work.at("junit.xml"), "utf8")).toContain(
    '<testsuites name="&lt;good&gt; &amp; &quot;quoted&quot;" tests="16" failures="0"',
  );
  const report = JSON.parse(await readFile(work.at("results.json"), "utf8"));
  expect(report).toMatchObject({ passed: true, against: null });
  expect(report.measures.adapter.loss).toBeGreaterThan(0);
  expect(await readFile(work.at("results.txt"), "utf8")).toContain("Prompts\n  ok   2 of 2 prompts\n");
  const page = await readFile(work.at("page.html"), "utf8");
  expect(page).toContain("<h1>&lt;good&gt; &amp; &quot;quoted&quot;</h1>");
  expect(page).toContain('<pre class="mask">&lt;s&gt;say 0: <mark>a&lt;/s&gt;</mark></pre>');
  expect(page).not.toMatch(/<(link|img)|src=|https?:/);
});

test("failed checks exit with 1 and name what, the value and the limit", async () => {
  const { code, stdout, stderr } = await work.lowrank([
    "test",
    "bad.yaml",
    "--model",
    "model",
    "--adapter",
    "adapter",
    "--output",
    "failed.html",
  ]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "wrote failed.html\n" });
  expect(stdout).toMatch(/FAIL "say 1": exact: differs from character 1: .* instead of "<b>never<\/b>"; the answer is/);
  expect(stdout).toMatch(
    /FAIL loss: the mean loss of a token \(nats\) is [\d.]+, more than 0.001; the adapter may be half/,
  );
  expect(stdout).toContain("FAIL truncation leaves labels: 20 of 20 examples are wrong; pairs.jsonl:1: all 2 learned");
  expect(await readFile(work.at("failed.html"), "utf8")).toContain('<td class="status failed">failed</td>');
});

test("--json prints the report, and two adapters are compared", async () => {
  const words = ["test", "good.yaml", "--adapter", "adapter", "--against", "other", "--alpha", "0.5", "--json"];
  const { stdout } = await work.lowrank(words);
  const { comparison, against, answers } = JSON.parse(stdout);
  expect([against, comparison.alpha, comparison.resamples]).toEqual(["other", 0.5, 200]);
  expect(comparison.rows.map(({ metric }: { metric: string }) => metric)).toEqual([
    ...["passed prompts", "held-out loss", "general loss", "changed tokens", "KL"],
  ]);
  expect(answers[0].against).toEqual(expect.any(String));
  // An adapter is no different from itself.
  const same = await work.lowrank(["test", "good.yaml", "--adapter", "adapter", "--against", "adapter"]);
  expect(same.code).toBe(0);
  expect(same.stdout).toMatch(/held-out loss .* 0 of 24 differ {2}no difference/);
});

test.each<[string, string[], string]>([
  [
    "prompts:\n  - prompt: one\n    exat: two\n",
    [],
    "suite.yaml:3: prompts[0].exat: the key is unknown; did you mean exact?",
  ],
  ["heldOut:\n  data: x.txt\n  maxLoss: low\n", [], 'suite.yaml:3: heldOut.maxLoss: found "low"; expected number'],
  ["heldOut: { data: a, data: b }", [], "suite.yaml:1:21: Map keys must be unique; correct the YAML or JSON"],
  ["name: empty\n", [], "suite.yaml: the suite has no tests; add prompts"],
  ["", [], "suite.yaml: a suite is an object with the keys name, model"],
  ["heldOut: { data: none.jsonl, maxLoss: 1 }", ["--model", "model"], "none.jsonl"],
  ["heldOut: { text: a b, maxLoss: 1 }", [], "suite.yaml: which model? Give --model, or the key model in the suite"],
  ["heldOut: { text: a b, maxLoss: 1 }", ["--model", "none"], "none"],
  ["heldOut: { text: a b, maxLoss: 1 }", ["--alpha", "0.1"], "--alpha needs --against; add it"],
  [
    "generation: { maxNewTokens: 99 }\nprompts: [{ prompt: a, exact: b }]",
    ["--model", "model"],
    "suite.yaml: generation.maxNewTokens: found 99; the model has 64",
  ],
  ["heldOut: { text: a b, maxLoss: 1 }", ["--adaptor", "x"], "unknown option '--adaptor'"],
])("%j with %j exits with 2", async (text, words, message) => {
  await writeFile(work.at("suite.yaml"), text);
  const found = await work.lowrank(["test", "suite.yaml", "--adapter", "adapter", ...words]);
  expect(found.code).toBe(2);
  expect(found.stderr).toContain(message);
});

test("a missing suite or adapter exits with 2, also with --json", async () => {
  const none = await work.lowrank(["test", "none.yaml", "--adapter", "adapter", "--json"]);
  expect(none.code).toBe(2);
  const message = "none.yaml: there is no such file; give a suite in YAML or JSON";
  expect(JSON.parse(none.stdout)).toEqual({ error: { message } });
  const noAdapter = await work.lowrank(["test", "good.yaml", "--adapter", "nowhere"]);
  expect([noAdapter.code, noAdapter.stderr]).toEqual([2, expect.stringContaining("nowhere")]);
});

test("an output of an unknown format is refused before anything runs", async () => {
  const { code, stderr } = await work.lowrank(["test", "good.yaml", "--adapter", "adapter", "--output", "a.pdf"]);
  expect(code).not.toBe(0);
  expect(stderr).toContain(
    "--output a.pdf: the format is unknown; give a name that ends in .xml, .json, .html, .htm, .txt",
  );
  const refused = async (file: string) =>
    (await work.lowrank(["test", "good.json", "--adapter", "adapter", "--output", file])).stderr;
  expect(await refused("good.json")).toContain("--output good.json is the suite itself; give another name");
  expect(await refused("none/a.xml")).toContain("--output none/a.xml: there is no folder none; create it");
});
