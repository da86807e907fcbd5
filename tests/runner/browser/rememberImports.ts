// At each `import()` of a file Chromium walks through all modules below it, even if all are loaded. With sources served
// one by one that costs milliseconds, thousands of times; a bundle has few modules. So tests in Chromium import each
// file once.

type Load = () => unknown;
type Wrap = (load: Load) => unknown;

/** An `import()` of one file of the server, in the form that Vitest wraps. */
const ofOneFile = /^async \(\) => import\(\s*(["'])(?<address>\/[^"']+)\1\s*\)$/;

const remembering = Symbol();

/** Returns a wrapper of `import()` that loads each file once, and retries a file that failed. */
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
