import { stringify } from "yaml";
import { codeBlock, markdownText } from "../../../report/markdownText.ts";
import { type Column, digits, markdownTable } from "../../../report/table.ts";
import { isValidation, measuresOf } from "./metrics.ts";
import type { RunRecord } from "./runRecord.ts";

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
