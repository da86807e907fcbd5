import { spawnSync } from "node:child_process";

const code = `
import { loadModel, noGrad, PeftModel, tensor } from "lowrank";
const [folder, adapter, ids] = process.argv.slice(1);
const { model } = await loadModel(folder);
const peft = await PeftModel.fromPretrained(model, adapter);
const { logits } = noGrad(() => peft.forward({ inputIds: tensor(JSON.parse(ids), { dtype: "i32" }) }));
console.log(JSON.stringify(Array.from(await logits.data())));
`;

/** Loads an adapter's folder with the packages that are installed in `user`; returns its logits. */
export function logitsInNode({
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
