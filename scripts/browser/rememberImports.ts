// Chromium walks through all modules below a file at each `import()` of it, also where all are
// loaded. Sources that are served one by one make this milliseconds, thousands of times; a bundle
// has few modules. So tests in Chromium ask once for each file.

type Load = () => unknown;
type Wrap = (load: Load) => unknown;

/** An `import()` of one file of the server, as Vitest wraps it. */
const ofOneFile = /^async \(\) => import\(\s*(["'])(?<address>\/[^"']+)\1\s*\)$/;

const remembering = Symbol();

/** Returns a wrapper of `import()` that loads each file once, and a file that failed again. */
export function rememberImports(wrap: Wrap & { [remembering]?: true }): Wrap {
  if (wrap[remembering]) return wrap;
  const loaded = new Map<string, Promise<unknown>>();
  const once: Wrap = (load) => {
    const address = ofOneFile.exec(load.toString().trim())?.groups?.address;
    if (address === undefined) return wrap(load);
    const known = loaded.get(address);
    if (known) return known;
    const module = Promise.resolve(wrap(load));
    loaded.set(address, module);
    module.catch(() => loaded.delete(address));
    return module;
  };
  return Object.assign(once, { [remembering]: true as const });
}
