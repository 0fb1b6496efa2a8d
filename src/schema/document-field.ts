import { isMap, parseDocument } from 'yaml';
import { bad, good, type Parsed } from './parsed.ts';

/** The document with a top-level field set, or removed when `value` is undefined; comments and everything else stay. */
export function withField(source: string, name: string, value: boolean | undefined): Parsed<string> {
  const document = parseDocument(source);
  if (document.errors.length > 0 || !isMap(document.contents)) return bad('the document cannot be read');
  if (value === undefined) document.delete(name);
  else document.set(name, value);
  return good(String(document));
}
