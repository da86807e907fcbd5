// Imported first by a process that is measured: it gets the packages as users have them, compiled,
// without what Node holds in memory for TypeScript.
import { registerHooks } from "node:module";

registerHooks({
  resolve: (specifier, context, nextResolve) => {
    const { url, ...found } = nextResolve(specifier, context);
    const compiled = url.replace(/\/(packages\/\w+)\/src\/(.+)\.ts$/, "/$1/dist/$2.js");
    return compiled === url ? { url, ...found } : { url: compiled, format: "module", shortCircuit: true };
  },
});
