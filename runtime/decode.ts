import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { LogEvent } from './log.ts';

/** A reader of one type of event; throws when the data does not match the contract, which stops the partition. */
export function decoder<T extends TSchema>(schema: T): (event: LogEvent) => Static<T> {
  const validator = Compile(schema);
  return (event) => {
    if (validator.Check(event.data)) return event.data as Static<T>;
    const [first] = validator.Errors(event.data);
    throw new Error(
      `${event.type} at ${event.partition}/${event.position}: ${first?.instancePath} ${first?.message}`,
    );
  };
}
