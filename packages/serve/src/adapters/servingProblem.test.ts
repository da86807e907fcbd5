import { IA3Config, LilyConfig, LoraConfig, type PeftConfig, PromptTuningConfig } from "@lowrank/peft";
import { expect, test } from "vitest";
import { servingProblem } from "./checkAdapter.ts";

const lora = (r: number) => new LoraConfig({ r, targetModules: ["q_proj"] });
const ia3 = new IA3Config({ targetModules: ["k_proj"], feedforwardModules: [] });

test.each<[PeftConfig, number | undefined, string | null]>([
  [lora(8), undefined, null],
  [lora(8), 8, null],
  [lora(9), 8, "LoRA rank 9 is greater than max_lora_rank 8."],
  [ia3, 0, null],
  [lora(8).with({ modulesToSave: ["lm_head", "norm"] }), 8, "one: modules_to_save is lm_head, norm, and all rows"],
  [new PromptTuningConfig({ numVirtualTokens: 3 }), 8, "one: PROMPT_TUNING puts virtual tokens before all rows"],
  [new LilyConfig({ r: 2 }), 8, "one: outputs of LILY depend on the other rows of the batch"],
  [new LoraConfig({ layerReplication: [[0, 1]] }), 8, "one: layer_replication gives the base model other layers"],
  [new LoraConfig({ arrowConfig: {} }), 8, "one: outputs depend on the other adapters of the model"],
])("%j with ranks up to %s has the problem %j", async (config, most, problem) => {
  const found = await servingProblem(config, "one", most);
  if (problem === null) expect(found).toBeNull();
  else expect(found).toContain(problem);
});
