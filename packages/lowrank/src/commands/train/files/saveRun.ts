import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileContent, folderFiles, type WritableFiles, writeFolder } from "@lowrank/files";
import { getLastCheckpoint } from "@lowrank/train";
import { stringify } from "yaml";
import { shellWord } from "../../../cli/output.ts";
import { type Column, codeBlock, digits, markdownTable, markdownText } from "../../../report/table.ts";
import { isValidation, measuresOf, metricsName } from "./metricsLog.ts";
import type { RunRecord } from "./runConfig.ts";
import { runPage } from "./runPage.ts";

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
 * Returns the run's folder as `WritableFiles`. Its `write` saves the trained weights and the other files of the run
 * together: the folder then contains either all old or all new results. If writing fails, the error names a folder that
 * contains the trained weights.
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
 * Returns a sentence for the error of a failed write. It names a folder with the trained weights: the checkpoint of the
 * last step or, without this checkpoint, a temporary folder to which the weights are written. If that write fails too,
 * the sentence names the newest checkpoint, if there is one.
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

type Row = readonly (string | number)[];

const columns = (...titles: string[]): Column<Row>[] =>
  titles.map((title, i) => ({
    title,
    key: title,
    value: (row) => (typeof row[i] === "number" ? row[i] : markdownText(row[i] as string)),
    show: digits,
  }));

/** Returns the model card of a run in PEFT's form, for README.md in its folder. */
export function modelCard(run: RunRecord): string {
  const { config, baseModel, peftType, steps, maxSteps } = run;
  const isAdapter = peftType !== null;
  const front = {
    base_model: baseModel,
    library_name: isAdapter ? "peft" : "transformers",
    pipeline_tag: run.kind.pipelineTag,
    tags: [...(isAdapter ? [`base_model:adapter:${baseModel}`, peftType.toLowerCase()] : []), "lowrank"],
  };
  const what = isAdapter ? `An adapter (${markdownText(peftType)}) for` : "A model made from";
  const done = steps < maxSteps ? `${steps} of ${maxSteps} steps` : `${steps} steps`;
  return `${[
    `---\n${stringify(front)}---`,
    `# ${markdownText(run.name)}`,
    `${what} ${markdownText(baseModel)}, trained by Lowrank in ${done}.`,
    ...use(run),
    "## Results",
    ...results(run),
    "## Training data",
    markdownText(run.data),
    ...(config.data.length > 0
      ? [
          markdownTable(
            columns("file", "bytes", "SHA-256"),
            config.data.map(({ path, bytes, sha256 }) => [path, String(bytes), sha256]),
          ).join("\n"),
        ]
      : []),
    "## Training procedure",
    Object.entries(config.options).map(optionLine).join("\n"),
    ...(run.targets.length > 0 ? [run.targets.map(markdownText).join("  \n")] : []),
    "### Framework versions",
    `- Lowrank ${config.lowrank}\n- Node ${config.node}`,
  ].join("\n\n")}\n`;
}

function optionLine([name, value]: [string, unknown]): string {
  return `- ${name}: ${markdownText(typeof value === "string" ? value : JSON.stringify(value))}`;
}

/** Returns Markdown lines with example code that runs the trained model. */
function use({ baseModel, peftType, kind, labels }: RunRecord): string[] {
  if (peftType === null) return [];
  const { python, javascript = [], command } = kind.usage(baseModel, labels);
  const blocks: [string, string][] = [["python", python.join("\n")]];
  if (javascript.length > 0) blocks.push(["js", javascript.join("\n")]);
  if (command !== undefined) blocks.push(["sh", command]);
  return ["## How to use", ...blocks.map(([language, code]) => codeBlock(language, code).join("\n"))];
}

function results({ metrics }: RunRecord): string[] {
  const validations = metrics.filter(isValidation);
  const last = validations.at(-1);
  if (!last) return ["Nothing was held back to validate on."];
  const [first] = validations;
  const before = measuresOf(first);
  const rows = Array.from(measuresOf(last), ([name, value]): Row => [name, before.get(name) ?? "", value]);
  const titles = columns("validation", `after step ${first.step}`, `after step ${last.step}`);
  return [markdownTable(titles, rows).join("\n")];
}
