// Imported first by a measured process. It redirects package imports to the compiled files that users have, which
// avoids Node's memory for TypeScript.
import { registerHooks } from "node:module";

registerHooks({
  resolve: (specifier, context, nextResolve) => {
    const { url, ...found } = nextResolve(specifier, context);
    const compiled = url.replace(/\/(packages\/\w+)\/src\/(.+)\.ts$/, "/$1/dist/$2.js");
    return compiled === url ? { url, ...found } : { url: compiled, format: "module", shortCircuit: true };
  },
});
