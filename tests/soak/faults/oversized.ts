import { tenants } from "../../deploy/deployment.ts";
import { ask, completions, smallBody } from "../ask.ts";
import { expectOneOf, type Fault } from "../fault.ts";

const [{ key }] = tenants;
/** Twice the limit of nginx and of a replica. */
const body = JSON.stringify({ ...smallBody("base"), prompt: "x".repeat(2 << 20) });

export const oversized: Fault = {
  name: "oversized bodies",
  async run({ deployment, checks, random }) {
    const url = random.pick([deployment.nginx.url, deployment.replicas[0].url]);
    await checks.run("bodies that are too large are refused", async () => {
      const answer = await ask(url, { path: completions, key, body }).catch((error: Error) => {
        // A server may close the connection before the body is sent; fetch then gets no answer.
        if (/EPIPE|ECONNRESET|other side closed/.test(String(error.cause))) return null;
        throw error;
      });
      if (answer) expectOneOf("the status of 2 MiB", answer.status, 413);
    });
  },
};
