import { KvError } from '../kv-error.ts';

/** A number as it was written: JavaScript's own would lose the last digits of a lease. */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type JsonValue = string | boolean | null | JsonNumber | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** The text ended inside of a value: more may come. */
export class JsonIncomplete extends KvError {
  constructor() {
    super('InvalidArgument', 'unexpected EOF');
  }
}

const deepest = 200;
/** A line may be continued as in a shell: documents print commands whose quotes keep the backslash. */
const blanks = /(?:[ \t\r\n]|\\\r?\n)*/y;
const numbers = /-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;

/** Reads one JSON value after the other from a text, with the complaints that Go has. */
export class JsonReader {
  readonly #text: string;
  at: number;

  constructor(text: string, at = 0) {
    this.#text = text;
    this.at = at;
  }

  /** Whether only blanks are left. */
  get isAtEnd(): boolean {
    this.#skipBlanks();
    return this.at === this.#text.length;
  }

  value(depth = 0): JsonValue {
    if (depth > deepest) throw new KvError('InvalidArgument', 'exceeded max depth');
    this.#skipBlanks();
    const character = this.#text[this.at];
    if (character === '{') return this.#object(depth);
    if (character === '[') return this.#array(depth);
    if (character === '"') return this.#string();
    if (character === 't') return this.#word('true', true);
    if (character === 'f') return this.#word('false', false);
    if (character === 'n') return this.#word('null', null);
    numbers.lastIndex = this.at;
    const number = numbers.exec(this.#text)?.[0];
    if (number === undefined) throw this.#unexpected('looking for beginning of value');
    this.at += number.length;
    return new JsonNumber(number);
  }

  #object(depth: number): JsonObject {
    const object = new Map<string, JsonValue>();
    this.at += 1;
    if (this.#next('}')) return object;
    for (;;) {
      this.#skipBlanks();
      if (this.#text[this.at] !== '"') throw this.#unexpected('looking for beginning of object key string');
      const key = this.#string();
      if (!this.#next(':')) throw this.#unexpected('after object key');
      object.set(key, this.value(depth + 1));
      if (this.#next('}')) return object;
      if (!this.#next(',')) throw this.#unexpected('after object key:value pair');
    }
  }

  #array(depth: number): readonly JsonValue[] {
    const list: JsonValue[] = [];
    this.at += 1;
    if (this.#next(']')) return list;
    for (;;) {
      list.push(this.value(depth + 1));
      if (this.#next(']')) return list;
      if (!this.#next(',')) throw this.#unexpected('after array element');
    }
  }

  #string(): string {
    const start = this.at;
    let end = this.#text.indexOf('"', start + 1);
    while (end >= 0 && this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    if (end < 0) throw new JsonIncomplete();
    this.at = end + 1;
    try {
      return JSON.parse(this.#text.slice(start, this.at)) as string;
    } catch {
      throw new KvError('InvalidArgument', 'invalid character in string literal');
    }
  }

  #isEscaped(quote: number): boolean {
    let backslashes = 0;
    while (this.#text[quote - 1 - backslashes] === '\\') backslashes += 1;
    return backslashes % 2 === 1;
  }

  #word<Value>(word: string, value: Value): Value {
    const found = this.#text.slice(this.at, this.at + word.length);
    if (found === word) {
      this.at += word.length;
      return value;
    }
    let same = 0;
    while (found[same] === word[same] && same < found.length) same += 1;
    this.at += same;
    throw this.#unexpected(`in literal ${word} (expecting '${word[same]}')`);
  }

  #next(character: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  #skipBlanks(): void {
    blanks.lastIndex = this.at;
    this.at += blanks.exec(this.#text)?.[0].length ?? 0;
  }

  #unexpected(where: string): KvError {
    const character = this.#text[this.at];
    if (character === undefined) return new JsonIncomplete();
    return new KvError('InvalidArgument', `invalid character '${character}' ${where}`);
  }
}
