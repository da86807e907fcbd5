import { join } from "node:path";
import { prepareStored } from "@lowrank/core/testing";
import { beforeAll, expect, it } from "vitest";
import { knowFormats } from "../testing/knowFormats.ts";
import { type Calls, recordingBackend } from "../testing/record/recordingBackend.ts";
import { callsOf, records, recordText } from "../testing/record/records.ts";

// The long tests compare the results of kernels with the reference on an adapter. This test needs no adapter: it
// compares the dispatches of the same calls with a record of the dispatches that passed the long tests.

beforeAll(async () => {
  knowFormats();
  await prepareStored(recordingBackend({}).backend);
});

const earlier: Calls[] = [];

it.each(records)("the dispatches of kernels are those of the record $name", async (record) => {
  const calls = callsOf(record);
  const text = recordText(calls, earlier);
  earlier.push(calls);
  await expect(text).toMatchFileSnapshot(join(import.meta.dirname, `../testing/record/${record.name}.txt`));
});
