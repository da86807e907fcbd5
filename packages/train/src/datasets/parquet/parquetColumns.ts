import { type ColumnMetaData, type FileMetaData, parquetSchema } from "hyparquet";
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath } from "hyparquet/src/schema.js";

/** Position and encoding of one column's data within a row group, from the file's metadata. */
export interface ColumnChunk {
  readonly path: string;
  /** Offset in the file of the column's first page (a unit of compression). */
  readonly start: number;
  /** Total bytes of the column's pages. */
  readonly length: number;
  readonly values: number;
  readonly codec: ColumnMetaData["codec"];
  readonly type: ColumnMetaData["type"];
  /** The maximum repetition level and the maximum definition level of the column, according to the schema. */
  readonly maxLevels: readonly [number, number];
}

type SchemaTree = ReturnType<typeof parquetSchema>;

/** Returns the paths of all columns (leaves) in a schema, with dots between names. */
function leaves({ children, path }: SchemaTree): string[] {
  return children.length > 0 ? children.flatMap(leaves) : [path.join(".")];
}

/**
 * Returns the columns of all row groups. Throws unless each row group has exactly the schema's columns, and all column
 * data is within the file of `size` bytes. Call this function before the Parquet library reads the columns. The library
 * reads all columns at once: if several were invalid, all errors except the first would be unhandled rejections.
 */
export function columnChunks(metadata: FileMetaData, size: number): ColumnChunk[] {
  const schema = parquetSchema(metadata);
  const paths = leaves(schema).sort();
  const twice = paths.find((path, i) => paths.indexOf(path) !== i);
  if (twice !== undefined) throw new Error(`its schema has two columns named ${twice}`);
  const known = paths.join(", ");
  return metadata.row_groups.flatMap(({ columns, num_rows: rows }, i) => {
    const found = columns.map(({ meta_data: column }) => column?.path_in_schema?.join(".") ?? "");
    const sorted = [...found].sort().join(", ");
    if (sorted !== known) throw new Error(`its row group ${i} has the columns ${sorted}; the schema has ${known}`);
    return columns.map(({ meta_data: column }, c) => {
      const [path, data, length] = [found[c], Number(column?.data_page_offset), Number(column?.total_compressed_size)];
      const start = Math.min(Number(column?.dictionary_page_offset) || data, data);
      if (!(column && start >= 0 && length >= 0 && start + length <= size)) {
        throw new Error(`the footer places column ${path} outside the file's ${size} bytes`);
      }
      const [values, least] = [Number(column?.num_values), Number(rows)];
      if (!(values >= least))
        throw new Error(`its row group ${i} has ${least} rows, but only ${values} values of column ${path}`);
      const inSchema = getTreePath(schema, column.path_in_schema);
      const maxLevels = [getMaxRepetitionLevel(inSchema), getMaxDefinitionLevel(inSchema)] as const;
      return { path, start, length, values, codec: column.codec, type: column.type, maxLevels };
    });
  });
}
