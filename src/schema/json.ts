import type { z } from 'zod';
import { bad, good, type Parsed } from './parsed.ts';

/** Reads a JSON document that a program wrote: unknown fields are ignored, so that newer writers do no harm. */
export function parseJson<T>(text: string, shape: z.ZodType<T>): Parsed<T> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return bad('not JSON');
  }
  const result = shape.safeParse(json);
  return result.success ? good(result.data) : bad(firstProblem(result.error));
}

function firstProblem(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'not of the expected form';
  return issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message;
}
