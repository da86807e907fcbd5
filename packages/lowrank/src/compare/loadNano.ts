/** Type of the module `@lowrank/nano`, which contains a small model and a task for it. */
type Nano = typeof import("@lowrank/nano");

/**
 * Loads `@lowrank/nano`, a package with a small model. `lowrank` does not depend on it, since few users need its
 * megabyte. Throws an error that names the package if it is not installed.
 */
export async function loadNano(load: () => Promise<Nano> = () => import("@lowrank/nano")): Promise<Nano> {
  try {
    return await load();
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new Error("the embedded model is a separate package: npm install @lowrank/nano, or give --model and --data", {
      cause: error,
    });
  }
}
