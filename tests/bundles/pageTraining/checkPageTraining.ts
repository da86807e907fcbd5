import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { pageModel } from "@lowrank/test-support/pageModel";
import { pageScript, trainInPage } from "@lowrank/test-support/pageTraining";
import type { Browser } from "playwright";

/** The folders of an installation, and the environment variables of its programs. */
interface Installed {
  readonly user: string;
  readonly work: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Trains in a page, and loads the adapter that it downloads in Node. */
export async function checkPageTraining(browser: Browser, { user, work, env }: Installed): Promise<string[]> {
  const model = pageModel();
  const script = join(user, "training.js");
  copyFileSync(pageScript, script);
  const { problems, ...trained } = await trainInPage(browser, { script, model, work: join(work, "page training") });
  const inNode = logitsInNode({ user, env, model, ...trained });
  const differs =
    inNode.length !== trained.logits.length || inNode.some((x, i) => Math.abs(x - trained.logits[i]) > 1e-4);
  return differs ? [...problems, "the downloaded adapter's logits in Node are not those in the page"] : problems;
}

const code = `
import { loadModel, noGrad, PeftModel, tensor } from "lowrank";
const [folder, adapter, ids] = process.argv.slice(1);
const { model } = await loadModel(folder);
const peft = await PeftModel.fromPretrained(model, adapter);
const { logits } = noGrad(() => peft.forward({ inputIds: tensor(JSON.parse(ids), { dtype: "i32" }) }));
console.log(JSON.stringify(Array.from(await logits.data())));
`;

/** Loads an adapter's folder with the packages that are installed in `user`; returns its logits. */
function logitsInNode({
  user,
  env,
  model,
  adapter,
  inputIds,
}: {
  user: string;
  env: NodeJS.ProcessEnv;
  model: string;
  adapter: string;
  inputIds: number[][];
}): number[] {
  const args = ["--input-type=module", "--eval", code, model, adapter, JSON.stringify(inputIds)];
  const { status, stdout, stderr } = spawnSync("node", args, { cwd: user, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`the adapter that the page downloaded fails in Node: ${stderr}`);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) as string);
}
