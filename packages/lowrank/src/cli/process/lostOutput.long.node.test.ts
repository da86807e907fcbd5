import { readdir, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, describe, expect, test, vi } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";
import { hasTerminals, runInTerminal } from "../../testing/processes/runInTerminal.ts";
import { type OutputsOptions, runWithOutputs } from "../../testing/processes/runWithOutputs.ts";

const { folder, at, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const words = "train --model model --data text.txt --block-size 32 --batch-size 4 --lr 2e-2 --samples 0";
const train = (output: string, steps: number) => [...words.split(" "), "--steps", `${steps}`, "--output", output];
const run = (args: readonly string[], options: Omit<OutputsOptions, "cwd"> = {}) =>
  runWithOutputs(args, { cwd: folder, ...options });
const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
const weights = (name: string) => readFile(at(`${name}/adapter_model.safetensors`), "hex");

await succeed(train("whole", 10));

describe("training when stdout or stderr is lost", () => {
  test.each([
    ["stdout", "closed"],
    ["stdout", "/dev/full"],
    ["stderr", "closed"],
    ["stderr", "/dev/full"],
  ] as const)("%s %s: it trains, saves and exits with 0", async (stream, place) => {
    const output = `${stream}-${place.replace(/\W/g, "")}`;
    const { code, stderr } = await run(train(output, 10), { [stream]: place });
    expect({ code, weights: await weights(output) }).toEqual({ code: 0, weights: await weights("whole") });
    if (stream === "stdout")
      expect(stderr).toMatch(/\nwarning: stdout: \d+ writes have failed \((EPIPE|ENOSPC)\); the/);
  });

  test("both lost: the same result", async () => {
    expect((await run(train("both", 10), { stdout: "closed", stderr: "closed" })).code).toBe(0);
    expect(await weights("both")).toBe(await weights("whole"));
  });

  test("with --json, the lost object is the result: 141 for a closed pipe, 1 for a full disk", async () => {
    expect(await run([...train("json", 4), "--json"], { stdout: "closed" })).toMatchObject({ code: 141 });
    const full = await run([...train("json-full", 4), "--json"], { stdout: "/dev/full" });
    expect(full).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("error: stdout: 1 write has failed (ENOSPC)"),
    });
    expect(await readdir(at("json"))).toContain("adapter_model.safetensors");
  });
});

describe("a command whose result is text on stdout", () => {
  const generate = "generate --model model --prompt a --max-new-tokens 40".split(" ");
  test.each([[generate], [["info", "model", "--json"]], [["report", "model"]], [["--help"]]])("%j", async (args) => {
    expect(await run(args, { stdout: "closed" })).toEqual({ code: 141, signal: null, stdout: "", stderr: "" });
    const full = await run(args, { stdout: "/dev/full" });
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/^error: stdout: \d+ writes? ha(s|ve) failed \(ENOSPC\); make room, or .*\n$/);
    expect((await run(args, { stderr: "/dev/full" })).code).toBe(0);
  });

  test("an error keeps its exit code if stderr is lost", async () => {
    expect((await run(["info", "nowhere"], { stderr: "closed" })).code).toBe(1);
    expect((await run(["info", "nowhere"], { stderr: "/dev/full" })).code).toBe(1);
  });
});

describe("a server whose log is lost", () => {
  test.each([
    ["stderr", "/dev/full"],
    ["stderr", "closed"],
    ["stdout", "/dev/full"],
    ["stdout", "closed"],
  ] as const)("%s %s: it goes on serving", async (stream, place) => {
    const port = await freePort();
    let checked: Promise<number[]> | undefined;
    const { code } = await run(["serve", "model", "--port", `${port}`], {
      [stream]: place,
      onStart: (child) => {
        checked = completions(`http://127.0.0.1:${port}/v1/completions`).finally(() => child.kill("SIGTERM"));
      },
    });
    expect({ code, statuses: await checked }).toEqual({ code: 0, statuses: [200, 200, 200] });
  });

  /** Sends three requests for completions, the first as soon as the server answers. */
  async function completions(url: string): Promise<number[]> {
    const body = JSON.stringify({ model: "model", prompt: "a", max_tokens: 2 });
    const ask = () => fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const first = await vi.waitFor(ask, { timeout: 20_000, interval: 50 });
    return [first.status, (await ask()).status, (await ask()).status];
  }
});

describe("signals", () => {
  const long = [...train("stopped", 100_000), "--eval-every", "20"];
  const stopped = async () => {
    const found = await readdir(at("stopped"));
    await rm(at("stopped"), { recursive: true });
    return found.includes("adapter_model.safetensors") && !found.includes("run.lock");
  };

  test.each([
    ["SIGHUP", 129],
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("%s, sent several times, saves and exits with %d", async (signal, code) => {
    let isSent = false;
    const outcome = await run(long, {
      onText: (text, child) => {
        if (isSent || !text.includes("step 40: validation loss")) return;
        isSent = true;
        for (let i = 0; i < 3; i++) child.kill(signal);
      },
    });
    expect(outcome).toMatchObject({ code, signal: null });
    expect(outcome.stdout).toMatch(/stopped after step \d+ of 100000/);
    expect(await stopped()).toBe(true);
  });

  test.skipIf(!hasTerminals)("a terminal that closes: saves and exits with 129", async () => {
    const closed = await runInTerminal(long, { cwd: folder, closes: /validation/ });
    expect(closed.code).toBe(129);
    expect(await stopped()).toBe(true);
  });
});
