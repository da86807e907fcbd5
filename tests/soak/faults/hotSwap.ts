import { askRetrying } from "../../deploy/askRetrying.ts";
import { admin } from "../../deploy/deployment.ts";
import { expectOneOf, type Fault, pause } from "../fault.ts";

/** The name that is swapped while requests use it, and the folders between which it is swapped. */
export const swapped = { name: "acme/swapped", folders: ["acme/version-1", "acme/version-2"] } as const;

/** Loads the other version under a name. The answers to requests name their version, and are checked against it. */
export const hotSwap: Fault = {
  name: "hot swaps",
  async run({ deployment, checks, random }) {
    for (let i = 0; i < 4; i++) {
      await checks.run("adapters are swapped under load", async () => {
        const body = { lora_name: swapped.name, lora_path: random.pick(swapped.folders), load_inplace: true };
        const answer = await askRetrying(`${deployment.nginx.url}/v1/load_lora_adapter`, body, admin);
        expectOneOf(`the status (${answer.body})`, answer.status, 200);
      });
      await pause(random.below(1000));
    }
  },
};
