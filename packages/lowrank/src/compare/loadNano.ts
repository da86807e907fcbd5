/** The module of the embedded model and its task. */
type Nano = typeof import("@lowrank/nano");

/**
 * Loads the package of the embedded model, which `lowrank` does not bring: few need its megabyte.
 * Throws, naming it, where it is not installed.
 */
export async function loadNano(load: () => Promise<Nano> = () => import("@lowrank/nano")): Promise<Nano> {
  try {
    return await load();
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new Error(
      "the embedded model is a package of its own: npm install @lowrank/nano, or give --model and --data",
      { cause: error },
    );
  }
}
