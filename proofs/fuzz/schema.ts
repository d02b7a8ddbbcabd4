import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** As far as the documents use JSON Schema; whatever else turns up is refused by `valid`, not passed over. */
export interface Schema {
  type?: string;
  format?: string;
  pattern?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean;
  items?: Schema;
}

/** What is wrong with a value; undefined: nothing. */
export type Check = (value: unknown) => string | undefined;

const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false });
// @ts-expect-error: its types know the default export of CommonJS alone.
addFormats(ajv);
// As the documents put it in words: more than 0, at most two decimals, at most 90,000,000,000,000.00.
ajv.addFormat('money', {
  type: 'number',
  validate: (amount: number) => /^\d+(\.\d\d?)?$/.test(String(amount)) && amount > 0 && amount <= 9e13,
});

/** Throws on a schema that is none, or has a keyword that nobody knows. */
export function compile(schema: Schema): Check {
  const validate = ajv.compile(schema);
  return (value) => (validate(value) ? undefined : ajv.errorsText(validate.errors, { dataVar: 'it' }));
}

/** A parameter is text by nature: an integer is what plain decimal digits say, everything else stays text. */
export function readParameter(schema: Schema, text: string): unknown {
  return schema.type === 'integer' && /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : text;
}
