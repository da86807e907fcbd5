import { type FileMetaData, parquetSchema } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";

/** The most values of one page; writers make pages of 20,000 rows, or of 1 MB. */
const mostValues = 2 ** 23;

/** The pages of one column of a group of rows, as the file's metadata tells them. */
export interface ColumnChunk {
  readonly path: string;
  /** The place of the first page in the file. */
  readonly start: number;
  /** The bytes of all pages. */
  readonly length: number;
  readonly values: number;
}

type SchemaTree = ReturnType<typeof parquetSchema>;

/** The paths of a schema's columns. */
function leaves({ children, path }: SchemaTree): string[] {
  return children.length > 0 ? children.flatMap(leaves) : [path.join(".")];
}

/**
 * Returns the columns of all groups. Throws unless each group's are those of the schema, each once,
 * and lie within the file of `size` bytes. The library reads all at once; where one is none, the
 * failures of others are nobody's.
 */
export function columnChunks(metadata: FileMetaData, size: number): ColumnChunk[] {
  const paths = leaves(parquetSchema(metadata)).sort();
  const twice = paths.find((path, i) => path === paths[i + 1]);
  if (twice !== undefined) throw new Error(`its schema has the column ${twice} twice`);
  const known = paths.join(", ");
  return metadata.row_groups.flatMap(({ columns, num_rows: rows }, i) => {
    const found = columns.map(({ meta_data: column }) => column?.path_in_schema?.join(".") ?? "");
    const sorted = [...found].sort().join(", ");
    if (sorted !== known) throw new Error(`its group ${i} of rows has the columns ${sorted}; the schema has ${known}`);
    return columns.map(({ meta_data: column }, c) => {
      const [path, data, length] = [found[c], Number(column?.data_page_offset), Number(column?.total_compressed_size)];
      const start = Math.min(Number(column?.dictionary_page_offset) || data, data);
      if (!(start >= 0 && length >= 0 && start + length <= size)) {
        throw new Error(`its column ${path} is said to lie beyond its ${size} bytes`);
      }
      const [values, least] = [Number(column?.num_values), Number(rows)];
      if (!(values >= least)) throw new Error(`its group ${i} has ${least} rows, and ${values} values of ${path}`);
      return { path, start, length, values };
    });
  });
}

/**
 * Throws unless the pages of a column, which `bytes` hold from `at` on, lie within it and have as
 * many values as the metadata says: the library makes room for all that a page claims to have.
 */
export function checkPages(bytes: ArrayBuffer, at: number, { path, length, values }: ColumnChunk): void {
  const reader = { view: new DataView(bytes, at, length), offset: 0 };
  let found = 0;
  while (found < values && reader.offset < length - 1) {
    const page = parquetHeader(reader);
    const data = page.data_page_header ?? page.data_page_header_v2;
    // A damaged header has fields of other types: lists, structures, large integers.
    const count: unknown = (data ?? page.dictionary_page_header)?.num_values ?? 0;
    if (typeof count !== "number" || !(count >= 0 && count <= mostValues)) {
      const said = typeof count === "number" ? `${count} values` : "values whose count is no number";
      throw new Error(`a page of its column ${path} says that it has ${said}; at most ${mostValues} are read`);
    }
    if (data) found += count;
    const size: unknown = page.compressed_page_size;
    const end = reader.offset + (typeof size === "number" && size >= 0 ? size : Number.NaN);
    if (!(end <= length)) {
      throw new Error(`a page of its column ${path} goes beyond the column's ${length} bytes`);
    }
    reader.offset = end;
  }
  if (found !== values)
    throw new Error(`its column ${path} has pages of ${found} values, and is said to have ${values}`);
}
