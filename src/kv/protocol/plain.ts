import { message } from '../wire/schema.ts';
import { header } from './header.ts';

/** A question that consists of its name alone. */
export const nothingType = message('Nothing', {});

/** An answer that says no more than that it was done. */
export const doneType = message('Done', header);
