import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileContent, folderFiles, type WritableFiles, writeFolder } from "@lowrank/files";
import { getLastCheckpoint } from "@lowrank/train";
import { shellWord } from "../../../cli/output.ts";
import { metricsName } from "./metricsLog.ts";
import { modelCard } from "./modelCard.ts";
import { runPage } from "./runPage.ts";
import type { RunRecord } from "./runRecord.ts";

/** Returns the files of a run other than its weights, by name. `configName` is the file name for the run's options. */
function runFiles(run: RunRecord, metrics: string, configName: string): [string, FileContent][] {
  return [
    [configName, `${JSON.stringify(run.config, null, 2)}\n`],
    ["README.md", modelCard(run)],
    ["report.html", runPage(run)],
    [metricsName, metrics],
  ];
}

/** File name of the run's options if the folder contains a whole model, which has its own config.json. */
const besideModel = "run_config.json";

/**
 * Returns a run's folder as files to write to, for saving the trained weights. All files of the run are written
 * together with the weights, so that the folder holds either the old results or the new ones. If writing fails, the
 * error names the folder that holds the trained weights.
 */
export async function runFolder(folder: string, run: RunRecord, metrics: string): Promise<WritableFiles> {
  return {
    ...(await folderFiles(folder)),
    write: async (contents) => {
      const all = new Map([
        ...contents,
        ...runFiles(run, metrics, contents.has("config.json") ? besideModel : "config.json"),
      ]);
      try {
        await writeFolder(folder, all);
      } catch (error) {
        throw new Error(`${(error as Error).message}; ${await rescued(folder, run, contents)}`, { cause: error });
      }
    },
  };
}

/**
 * Returns a sentence that names the folder with the trained weights after a failed write. This is the last checkpoint.
 * If there is none, this function writes the weights to a temporary folder.
 */
async function rescued(
  folder: string,
  { steps }: RunRecord,
  contents: ReadonlyMap<string, FileContent>,
): Promise<string> {
  const last = await getLastCheckpoint(folder, () => {}).catch(() => null);
  if (last === `checkpoint-${steps}`) {
    const kept = shellWord(join(folder, last));
    return `${kept} holds what was trained; go on with --resume ${kept}`;
  }
  try {
    const elsewhere = await mkdtemp(join(tmpdir(), "lowrank-trained-"));
    await writeFolder(elsewhere, contents);
    return `the trained adapter is in ${elsewhere}; move it to a disk with free space`;
  } catch {
    return last === null ? "what was trained is lost" : `${shellWord(join(folder, last))} holds the last checkpoint`;
  }
}
