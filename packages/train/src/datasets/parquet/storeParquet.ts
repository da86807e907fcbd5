import { openFile } from "@lowrank/files";
import { parseJsonBytes } from "../dataRecord.ts";
import { jsonLines } from "../jsonRecords.ts";
import { exampleOf } from "../readDataset.ts";
import type { RecordForm } from "../recordReader.ts";
import type { IndexDatasetOptions } from "../streamDataset.ts";
import type { RecordFile } from "../streamedFormats.ts";
import { parquetRecords } from "./parquetRecords.ts";

/**
 * Opens a Parquet file so that single rows can be read. Since a Parquet file compresses many rows together, the rows
 * are first converted to a JSONL file in `cacheDir`. This file is renamed to its final name when it is complete. The
 * name contains the size and the modification time of the Parquet file.
 */
export async function openParquetRecords(
  path: string,
  { cacheDir, columns, onBadRecord }: IndexDatasetOptions,
  form: RecordForm<unknown>,
): Promise<RecordFile> {
  const find = process.getBuiltinModule;
  const [fs, { basename, join }] = [find("node:fs/promises"), find("node:path")];
  const { size, mtimeMs } = await fs.stat(path);
  const store = join(cacheDir, `${basename(path)}-${size}-${Math.round(mtimeMs)}.jsonl`);
  if (!(await fs.stat(store).catch(() => null))) {
    await fs.mkdir(cacheDir, { recursive: true });
    const { removeLeftovers, temporaryName, writingId } = await import("@lowrank/files/internal/disk");
    await removeLeftovers(cacheDir, { of: basename(store) });
    const part = join(cacheDir, temporaryName(basename(store), writingId(), "part"));
    const file = await fs.open(part, "w");
    try {
      for await (const record of parquetRecords(await openFile(path), path)) {
        // Validates the record here, so that errors name the row of the Parquet file instead of a line of the converted
        // file.
        exampleOf(record, form.parse, { columns, onBadRecord });
        await file.write(`${JSON.stringify(record.value)}\n`);
      }
      await file.sync();
    } catch (error) {
      await file.close();
      await fs.rm(part, { force: true });
      throw error;
    }
    await file.close();
    await fs.rename(part, store);
  }
  const records: RecordFile["records"] = (pieces) => jsonLines(pieces, path);
  return { source: await openFile(store), name: path, format: "parquet", parse: parseJsonBytes, records };
}
