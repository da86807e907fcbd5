import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { pageModel } from "@lowrank/test-support/pageModel";
import { pageScript, trainInPage } from "@lowrank/test-support/pageTraining";
import type { Browser } from "playwright";
import { logitsInNode } from "./logitsInNode.ts";

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
