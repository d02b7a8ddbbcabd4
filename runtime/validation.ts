import { toMinor } from '@stream-processing/contracts/money.ts';
import { type InvalidPart, Problem } from '@stream-processing/contracts/problems.ts';
import { Ajv, type ErrorObject } from 'ajv';
import type { FastifySchemaValidationError } from 'fastify';
import { escapeToken } from './json.ts';

interface JsonSchema {
  properties?: Record<string, { type?: string; default?: unknown }>;
}

/**
 * Fastify's validator, strict: nothing is coerced, dropped or trimmed. Paths and queries are text by nature, so there
 * an integer is read from its plain decimal digits, and from nothing else.
 */
export function createValidatorCompiler() {
  const ajv = new Ajv({
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: true,
    allErrors: true,
    formats: {
      money: { type: 'number', validate: (amount: number) => toMinor(amount) !== undefined },
      'date-time': true,
    },
  });
  return ({ schema, httpPart }: { schema: unknown; httpPart?: string }) => {
    const validate = ajv.compile(schema as object);
    const readsText = httpPart === 'params' || httpPart === 'querystring';
    return (data: unknown) => {
      if (readsText) readIntegers(schema as JsonSchema, data as Record<string, unknown>);
      return validate(data) ? { value: data } : { error: validate.errors as never };
    };
  };
}

function readIntegers(schema: JsonSchema, data: Record<string, unknown>): void {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const text = data[name];
    if (property.type === 'integer' && typeof text === 'string' && /^(0|[1-9]\d{0,15})$/.test(text)) {
      data[name] = Number(text);
    }
  }
}

const CODE_OF_PART = {
  body: 'invalid_body',
  params: 'invalid_parameter',
  querystring: 'invalid_parameter',
  headers: 'invalid_header',
} as const;

/** Ajv's findings as the caller reads them. */
export function invalid(part: string | undefined, findings: FastifySchemaValidationError[]): Problem {
  const inBody = part === 'body';
  const errors: InvalidPart[] = (findings as unknown as ErrorObject[]).slice(0, 20).map((finding) => {
    const field = (finding.params.missingProperty ?? finding.params.additionalProperty) as string | undefined;
    const path = field === undefined ? finding.instancePath : `${finding.instancePath}/${escapeToken(field)}`;
    return { pointer: inBody ? path : path.slice(1), detail: describe(finding) };
  });
  return new Problem(
    CODE_OF_PART[(part ?? 'body') as keyof typeof CODE_OF_PART] ?? 'invalid_body',
    undefined,
    { errors },
  );
}

function describe(finding: ErrorObject): string {
  switch (finding.keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return 'is not a known field';
    case 'format':
      return 'must be more than 0, with at most two decimals, and at most 90000000000000.00';
    case 'enum':
      return `must be one of ${(finding.params.allowedValues as unknown[]).join(', ')}`;
    case 'pattern':
      return 'has characters or a form that are not allowed';
    default:
      return finding.message ?? 'is invalid';
  }
}
