import type { Plugin } from "vitest/config";
import { fakeHub, fakeHubRoot } from "./fakeHub.ts";

/** A Vite plugin that provides fake hubs on the server of test pages. */
export function servedFakeHub(): Plugin {
  return {
    name: "lowrank:fake-hub",
    configureServer({ middlewares }) {
      const answer = fakeHub();
      middlewares.use((request, response, next) => {
        if (request.url?.startsWith(fakeHubRoot)) answer(request, response);
        else next();
      });
    },
  };
}
