import { stringify } from 'yaml';

/** `value` as YAML for people. */
export const printYaml = (value: unknown): string => stringify(value, { lineWidth: 0 });
