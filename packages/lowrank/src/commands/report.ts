import { getPeftModel } from "@lowrank/peft";
import { Command, Option } from "commander";
import { loadModel } from "../loadModel.ts";
import { describeTargets } from "./describeTargets.ts";
import { useAdapter, warn } from "./loading.ts";
import { addLoraOptions, type LoraCommandOptions, toLoraConfig } from "./loraOptions.ts";

interface ReportCommandOptions extends LoraCommandOptions {
  adapter?: string;
  json?: boolean;
}

const examples = `
Examples:
  $ lowrank report ./model --r 16 --target-modules q_proj,v_proj
  $ lowrank report ./model --adapter ./adapter --json`;

/** `lowrank report`. */
export function reportCommand(): Command {
  const command = new Command("report")
    .summary("tells what an adapter trains, or what one on disk holds")
    .description(
      "Tells what an adapter would train, or what one on disk holds: which modules it sits on, and how many parameters it has.",
    )
    .argument("<model>", "folder of the model, or a .gguf file")
    .addOption(
      new Option("--adapter <dir>", "folder of a PEFT adapter, instead of the options that describe one").conflicts([
        "r",
        "alpha",
        "dropout",
        "targetModules",
        "modulesToSave",
        "useRslora",
        "bias",
      ]),
    );
  return addLoraOptions(command)
    .option("--json", "print one JSON object")
    .addHelpText("after", examples)
    .action(report);
}

async function report(folder: string, options: ReportCommandOptions): Promise<void> {
  const { model } = await loadModel(folder);
  const peft =
    options.adapter === undefined
      ? getPeftModel(model, toLoraConfig(options, folder), { onWarning: warn })
      : await useAdapter(model, options.adapter, { isTrainable: true });
  const { trainable, all } = peft.getNbTrainableParameters();
  if (options.json) {
    console.log(JSON.stringify({ trainable, all, ...peft.targetReport }, null, 2));
    return;
  }
  console.log(describeTargets(peft.targetReport).join("\n"));
  peft.printTrainableParameters();
}
