import { type Document, isMap, isScalar, parseAllDocuments } from 'yaml';
import { type InstanceId, parseInstanceId } from './ids.ts';
import { bad, good, type Parsed } from './parsed.ts';

/** One desired state of a file: the instance it is for, and the text to be stored. */
export interface InstanceDocument {
  readonly id: InstanceId;
  readonly text: string;
}

/** The most that is read at once: some thousand documents. */
export const maxFileBytes = 16 * 1024 * 1024;

/**
 * Reads a file of desired states, YAML (several documents, separated by `---`) or JSON. Each names its instance in a
 * top-level `id`, which is not part of what is stored; a single document may leave it out when `id` is given.
 */
export function parseInstanceDocuments(source: string, id?: InstanceId): Parsed<InstanceDocument[]> {
  const bytes = Buffer.byteLength(source);
  if (bytes > maxFileBytes) return bad(`${bytes} bytes: at most ${maxFileBytes} are read at once`);
  // Empty documents come from a `---` at the beginning or the end.
  const documents = [...parseAllDocuments(source)].filter((each) => each.errors.length > 0 || !isEmpty(each));
  if (documents.length === 0) return bad('no document in it: give for example {id: f1, plan: standard}');
  if (id !== undefined && documents.length > 1) {
    return bad(`${documents.length} documents, but one id (${id}) was given: write an id into each document instead`);
  }
  const found: InstanceDocument[] = [];
  for (const [index, document] of documents.entries()) {
    const where = documents.length > 1 ? `document ${index + 1}: ` : '';
    const read = readOne(document, source, documents.length === 1, id);
    if (!read.ok) return bad(where + read.problem);
    if (found.some((other) => other.id === read.value.id)) return bad(`${where}id ${read.value.id} occurs twice`);
    found.push(read.value);
  }
  return good(found);
}

const isEmpty = ({ contents }: Document.Parsed): boolean =>
  contents === null || (isScalar(contents) && contents.value === null);

function readOne(
  document: Document.Parsed,
  source: string,
  alone: boolean,
  given: InstanceId | undefined,
): Parsed<InstanceDocument> {
  const error = document.errors[0];
  if (error) return bad(`not YAML: ${error.message.split('\n')[0]}`);
  if (!isMap(document.contents)) return bad('a mapping of fields is expected, for example {id: f1, plan: standard}');
  const written: unknown = document.get('id');
  if (written === undefined) {
    if (given === undefined) return bad('id is missing: it names the instance, for example `id: f1`');
    return good({ id: given, text: alone ? source : String(document) });
  }
  if (typeof written !== 'string') {
    return bad(
      `id is ${JSON.stringify(written)}: a string is expected${typeof written === 'number' ? ', in quotes' : ''}`,
    );
  }
  const id = parseInstanceId(written);
  if (!id.ok) return id;
  if (given !== undefined && given !== id.value) return bad(`id is ${id.value}, but ${given} was asked for: give one`);
  document.delete('id');
  document.directives.docStart = null;
  return good({ id: id.value, text: String(document) });
}
