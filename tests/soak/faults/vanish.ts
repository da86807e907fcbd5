import { tenants } from "../../deploy/deployment.ts";
import { ask, completions } from "../ask.ts";
import type { Fault } from "../fault.ts";

/**
 * Clients that disconnect before the answer begins, or in the middle of it. The slots that they free are checked at the
 * end.
 */
export const vanish: Fault = {
  name: "vanishing clients",
  async run({ deployment, random }) {
    const leave = new AbortController();
    const { id, key } = random.pick(tenants);
    const model = random.pick(["base", `${id}/0`, `${id}/1`]);
    const body = { model, prompt: "a loop over the keys of table", max_tokens: 90, ignore_eos: true, stream: true };
    setTimeout(() => leave.abort(), random.below(400));
    const request = { path: completions, key, body: { ...body, stream: random.below(2) === 0 }, signal: leave.signal };
    await ask(deployment.nginx.url, request).catch(() => {});
  },
};
