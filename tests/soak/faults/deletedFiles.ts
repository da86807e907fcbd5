import { tenants } from "../../deploy/deployment.ts";
import { ask, completions, smallBody } from "../ask.ts";
import { eventually, expectOneOf, type Fault } from "../fault.ts";

const [acme] = tenants;
let counted = 0;

/** Files that are deleted while their adapter is served, and restored. */
export const deletedFiles: Fault = {
  name: "deleted files",
  async run({ deployment, checks, spares }) {
    const path = `acme/deleted-${counted++}`;
    const [files] = spares;
    const [has, lacks] = deployment.replicas;
    const body = { ...smallBody(path), max_tokens: 8, temperature: 0, logprobs: 1 };
    const use = (url: string) => ask(url, { path: completions, key: acme.key, body });
    const served = (url: string) =>
      eventually(40, async () => {
        const { status, body } = await use(url);
        expectOneOf(`the status (${body})`, status, 200);
      });
    await deployment.store.put(path, files);
    await checks.run("a new folder is served", () => served(has.url));
    await deployment.store.delete(path, files.keys());
    await checks.run("an adapter whose files are gone is not served by a replica that lacks it", () =>
      eventually(10, async () => expectOneOf("the status", (await use(lacks.url)).status, 404)),
    );
    await checks.run("a replica that has it answers, or knows it no longer", async () => {
      const { status, body } = await use(has.url);
      expectOneOf(`the status (${body})`, status, 200, 404);
    });
    await deployment.store.put(path, files);
    await checks.run("files that are back are served again", async () => {
      await served(lacks.url);
      await served(has.url);
    });
    await deployment.store.delete(path, files.keys());
  },
};
