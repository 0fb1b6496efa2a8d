import { hash } from 'node:crypto';

/** Stands for a long text in memory: equal digests mean equal texts. */
export const digest = (text: string): string => hash('sha1', text, 'base64url');
